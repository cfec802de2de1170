"""An export as one file with a name that says what it is, as a browser downloads it."""

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
    """Export a run into `folder` and return the file; a store of many files becomes a ZIP.

    Parameters
    ----------
    run_dir : pathlib.Path
        Folder of the run.
    kind : str
        One of `FORMS`.
    folder : pathlib.Path
        Where the file goes; made if absent.
    name : str
        What the slide is called; the file is named after it.
    suffix : str
        One of the form's.
    genes : sequence of str
        As `export_run` takes them.

    Returns
    -------
    pathlib.Path
        The file; where an earlier attempt has left it whole, that one.

    Raises
    ------
    StoreError
        As `export_run`.
    """
    if kind not in FORMS or suffix not in FORMS[kind].suffixes:
        raise StoreError(f"There is no form '{kind}' with the ending '{suffix}'.")
    stem = safe_name(Path(name).stem.removesuffix(".ome"))[:80]
    packed = suffix == ".zarr"
    file = folder / f"{stem}-{kind}{suffix}{'.zip' if packed else ''}"
    if file.exists():
        return file
    if not packed:
        export_run(run_dir, kind, file, genes, slide_name=name)
        return file
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".zarr-", dir=folder) as work, create(file) as part:
        export_run(run_dir, kind, Path(work) / (stem + suffix), genes, slide_name=name)
        made = shutil.make_archive(str(Path(work) / "packed"), "zip", work, stem + suffix)
        shutil.move(made, part)
    return file
