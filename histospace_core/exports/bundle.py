"""An export as one file with a descriptive name, for download by a browser."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from histospace_core.errors import StoreError
from histospace_core.exports.csv import safe_name
from histospace_core.exports.run import FORMS, export_run
from histospace_core.files import create


def export_file(
    run_dir: Path,
    kind: str,
    folder: Path,
    *,
    name: str,
    suffix: str,
    genes: Sequence[str] = (),
) -> Path:
    """Export a run into `folder` and return the file; a format of many files becomes a ZIP.

    Parameters
    ----------
    run_dir : pathlib.Path
        Folder of the run.
    kind : str
        One of `FORMS`.
    folder : pathlib.Path
        Folder for the file; it is created if it does not exist.
    name : str
        Name of the slide; the file is named after it.
    suffix : str
        One of the suffixes of this kind.
    genes : sequence of str
        Genes to export, as for `export_run`.

    Returns
    -------
    pathlib.Path
        The file; if an earlier call has finished it, that file unchanged.

    Raises
    ------
    StoreError
        The combination of kind and suffix is unknown, or `export_run` fails.
    """
    if kind not in FORMS or suffix not in FORMS[kind].suffixes:
        forms = ", ".join(f"{form} ({' '.join(FORMS[form].suffixes)})" for form in FORMS)
        raise StoreError(f"Unknown form '{kind}' with extension '{suffix}'; choose one of {forms}.")
    # `stem` leaves the .ome of .ome.tif
    stem = safe_name(Path(name).stem.removesuffix(".ome"))[:80]
    packed = suffix == ".zarr"
    file = folder / f"{stem}-{kind}{suffix}{'.zip' if packed else ''}"
    if file.exists():
        return file
    if not packed:
        export_run(run_dir, kind, file, genes, slide_name=name)
        return file
    folder.mkdir(parents=True, exist_ok=True)
    # in `folder`, so that the last step is a rename on the same disk
    with tempfile.TemporaryDirectory(prefix=".zarr-", dir=folder) as work, create(file) as part:
        export_run(run_dir, kind, Path(work) / (stem + suffix), genes, slide_name=name)
        made = shutil.make_archive(str(Path(work) / "packed"), "zip", work, stem + suffix)
        shutil.move(made, part)
    return file
