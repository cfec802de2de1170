"""From a complete file to the store: probe, move, enter in the catalog."""

import shutil
from pathlib import Path

from histospace_core.catalog.catalog import Catalog
from histospace_core.catalog.names import display_name, suffix
from histospace_core.catalog.tables import SlideRow, new_id
from histospace_core.errors import SlideError, shown_as
from histospace_core.files import move_into_place
from histospace_core.settings import Settings
from histospace_core.slides.probe import probe_slide

_FOLDER_FORMATS = {
    ".zip": "is a zip archive",
    ".mrxs": "is the index of a MIRAX slide, which needs its folder of data files beside it",
    ".vms": "is the index of a Hamamatsu VMS slide, which needs its other files beside it",
}


def accept_slide(
    settings: Settings,
    catalog: Catalog,
    file: Path,
    name: str,
    sha256: str,
    *,
    mpp: float | None = None,
    is_sample: bool = False,
) -> SlideRow:
    """Probe a file and take it into the store; the same content again is the same slide.

    Parameters
    ----------
    file
        The complete file; it is moved into the store, or deleted if refused.
    name
        What the user called it, for display and for its file type.

    Raises
    ------
    SlideError
        It is no slide that can be predicted on; the sentence names the user's file.
    """
    name = display_name(name)
    kind = suffix(name)
    if kind in _FOLDER_FORMATS:
        file.unlink()
        raise SlideError(
            f"{name} {_FOLDER_FORMATS[kind]}, and only slides of one file can be uploaded: convert "
            "it to a pyramidal TIFF, or use `histospace predict` where the files lie."
        )
    known = catalog.slide_by_sha256(sha256)
    if known is not None and known.file.exists():
        file.unlink()
        return known
    slide_id = new_id()
    staging, folder = settings.uploads_dir / slide_id, settings.slides_dir / slide_id
    probed = staging / f"slide{kind}"  # some readers need the file type
    try:
        staging.mkdir(parents=True)
        shutil.move(file, probed)
        with shown_as({probed: name}):
            properties = probe_slide(probed, mpp)
        folder.parent.mkdir(parents=True, exist_ok=True)
        move_into_place(staging, folder)
        row = catalog.add_slide(
            folder / probed.name, name, sha256, properties, is_sample=is_sample, slide_id=slide_id
        )
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if row.file.parent != folder:  # someone else brought the same content a moment earlier
        shutil.rmtree(folder, ignore_errors=True)
    return row
