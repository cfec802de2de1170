"""Take a complete file into the store: probe it, move it and add it to the catalog."""

import shutil
from pathlib import Path

from histospace_core.archive import is_zip, size_in_zip
from histospace_core.catalog.catalog import Catalog
from histospace_core.catalog.names import display_name, suffix
from histospace_core.catalog.quota import require_space
from histospace_core.catalog.tables import SlideRow, new_id
from histospace_core.errors import SlideError, shown_as
from histospace_core.files import move_into_place
from histospace_core.settings import Settings
from histospace_core.slides.content import is_zarr, slide_sha256
from histospace_core.slides.packed import unpack_slide
from histospace_core.slides.probe import probe_slide

_INDEX = {
    ".mrxs": "is the index of a MIRAX slide, which needs its folder of data files: zip the file "
    "together with that folder, and upload the zip.",
    ".vms": "is the index of a Hamamatsu VMS slide, which needs its other files: convert it to a "
    "pyramidal TIFF.",
}
"""Files that are nothing without others, and what to do."""


def accept_slide(
    settings: Settings,
    catalog: Catalog,
    file: Path,
    name: str,
    sha256: str,
    *,
    mpp: float | None = None,
    series: str | None = None,
    is_sample: bool = False,
) -> SlideRow:
    """Probe a file and move it into the store; if its content is known, return the known slide.

    A zip is unpacked first, because DICOM and MIRAX slides are several files.

    Parameters
    ----------
    file
        The complete file; it is moved into the store, or deleted if refused. It stays where it
        is if it holds several images and the user must choose one, or another one.
    name
        The user's file name, for display and for the file type.
    series
        Which image to read, where the file holds several.

    Raises
    ------
    StoreError
        The store has no space for what a zip holds.
    SlideError
        The file is not a slide that can be predicted; the message has the user's file name, and
        `alternatives` if one of several images must be chosen.
    """
    name = display_name(name)
    kind = suffix(name)
    if kind in _INDEX:
        file.unlink()
        raise SlideError(f"{name} {_INDEX[kind]}")
    packed = is_zip(file) and not is_zarr(file)  # a zipped zarr store is read as it is
    slide_id = new_id()
    # Probed in a folder of its own, so that one rename brings it into the store.
    staging, folder = settings.uploads_dir / slide_id, settings.slides_dir / slide_id
    probed = staging / f"slide{kind}"  # some readers need the file type
    try:
        staging.mkdir(parents=True)
        if packed:
            probed = _unpack(settings, catalog, file, name, staging)
            sha256 = slide_sha256(probed)
        known = catalog.slide_by_sha256(sha256)
        if known is not None:
            if known.file.exists():
                file.unlink()
                shutil.rmtree(staging)
                return known
            series = known.series
        if not packed:
            shutil.move(file, probed)
        with shown_as({probed: name}):
            properties = probe_slide(probed, mpp, series=series)
        folder.parent.mkdir(parents=True, exist_ok=True)
        move_into_place(staging, folder)
        row = catalog.add_slide(
            folder / probed.name,
            name,
            sha256,
            properties,
            is_sample=is_sample,
            slide_id=slide_id,
            series=series,
        )
    except BaseException as error:  # an interrupt, too, must leave no file that no row names
        may_choose = isinstance(error, SlideError) and bool(error.alternatives or series)
        if may_choose and not packed and probed.exists():
            shutil.move(probed, file)
        elif not may_choose:
            file.unlink(missing_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    file.unlink(missing_ok=True)  # the zip, if it was one
    if row.file.parent != folder:  # another upload of the same content was faster
        shutil.rmtree(folder, ignore_errors=True)
    return row


def _unpack(settings: Settings, catalog: Catalog, file: Path, name: str, staging: Path) -> Path:
    """Unpack the slide of a zip, if the store has the space for it."""
    with shown_as({file: name}):
        size = size_in_zip(file, SlideError)
        require_space(settings, name, size, used=catalog.slides_bytes())
        return unpack_slide(file, staging, settings.upload_max_bytes)
