"""Choose the reader of a file by its content."""

import itertools
from pathlib import Path
from typing import Any

from histospace_core.errors import SlideError
from histospace_core.slides.content import dicom_instance, is_dicom, is_zarr
from histospace_core.slides.formats import (
    library_reason,
    open_tiff,
    refuse_unreadable,
    sniff,
)
from histospace_core.slides.readers.openslide import PLAIN, OpenSlideReader
from histospace_core.slides.readers.reader import Reader
from histospace_core.slides.readers.tiff import TiffReader
from histospace_core.slides.readers.vips import VipsReader
from histospace_core.slides.series import refuse_series
from histospace_core.slides.tiff_images import MAX_PAGES, ome_image, ome_xml, plain_image
from histospace_core.slides.tiff_tiles import libvips_decodes, openslide_agrees, refuse_colours

_MAGNIFICATION, _OFFSET = 65421, 65424  # Hamamatsu's tags


def open_reader(path: Path, series: str | None = None) -> Reader:
    """Choose the library by the file's content, and open the file with it.

    Parameters
    ----------
    path
    series
        Which image to read where the file holds several, as the error names it.

    Raises
    ------
    SlideError
        No library can open the file, or it is not a slide in 8-bit colour.
    """
    try:
        zarr = is_zarr(path)
        file = dicom_instance(path) if path.is_dir() and not zarr else path
        if file.exists() and not (zarr or file.is_file()):
            raise SlideError("it is neither a file nor a folder of DICOM files.", path=path)
        kind = None if zarr else sniff(file)
    except FileNotFoundError:
        raise SlideError("there is no such file", path=path, remedy="check the path") from None
    except PermissionError:
        raise SlideError(
            "the file may not be read", path=path, remedy="check its permissions"
        ) from None
    except (OSError, ValueError) as error:
        # A path that no system call accepts (a null byte, say) cannot be shown as it is.
        raise SlideError(f"{path.name[:80]!a}: the file cannot be opened ({error}).") from None
    try:
        if zarr:
            from histospace_core.slides.readers.ome_zarr import OmeZarrReader

            return OmeZarrReader(path, series or None)
        if is_dicom(file):
            from histospace_core.slides.readers.dicom import open_dicom

            return open_dicom(path, series or None)
        refuse_unreadable(file)
        if kind == "tiff":
            return _open_tiff(file, series)
        refuse_series(series, (), path)
        import openslide

        try:
            return OpenSlideReader(file)
        except openslide.OpenSlideUnsupportedFormatError:
            if path.suffix.lower() == ".mrxs":  # the file alone is a JPEG preview
                raise SlideError(
                    f"the folder {path.stem} that belongs to it is missing or incomplete",
                    path=path,
                    remedy="put that folder beside the file",
                ) from None
            if kind is None:
                raise
            return VipsReader(file, kind)
    except (SlideError, MemoryError):  # the probe reports lack of memory as such
        raise
    except Exception as error:
        raise SlideError(
            f"not a slide that can be read{library_reason(error, file)}",
            path=path,
            remedy="export it again as SVS, NDPI, OME-TIFF, TIFF, PNG or JPEG",
        ) from error


def _open_tiff(path: Path, series: str | None) -> Reader:
    """Open the slide in a TIFF: with OpenSlide where it reads the same image."""
    import openslide

    tiff = open_tiff(path)
    try:
        if (xml := ome_xml(tiff)) is not None:
            return TiffReader(path, tiff, ome_image(tiff, xml, series or None, path), "ome-tiff")
        vendor = openslide.OpenSlide.detect_format(path)
        first = tiff.pages.first
        if vendor not in (*PLAIN, None):
            refuse_series(series, (), path)
            refuse_colours(first, first.samplesperpixel, path)
            planes = _focal_planes(tiff) if vendor == "hamamatsu" else 1
            tiff.close()
            scanned = OpenSlideReader(path)
            if planes > 1:
                which = f"Of {planes} focal planes, that at offset 0 is read."
                scanned.notes = (which, *scanned.notes)
            return scanned
        image = plain_image(tiff, series or None, path)
        page = image.levels[0][0]
        agrees = openslide_agrees(p for level in image.levels for p in level)
        if agrees and (vendor == "aperio" or (vendor and page is first)):
            try:
                return OpenSlideReader(path, tiff, image)
            except openslide.OpenSlideError as error:
                # OpenSlide also fails on an order of levels that only stacks of planes have.
                unsupported = isinstance(error, openslide.OpenSlideUnsupportedFormatError)
                if not unsupported and "compression" not in str(error).lower():
                    raise
        if not libvips_decodes(page):
            return TiffReader(path, tiff, image, "tiff")
        tiff.close()
        return VipsReader(path, "tiff", page.index, image)
    except BaseException:
        tiff.close()
        raise


def _focal_planes(tiff: Any) -> int:
    """Return how many focal planes an NDPI holds; OpenSlide reads the one at offset 0."""
    pages = list(itertools.islice(tiff.pages, MAX_PAGES))
    # macro and map have a negative magnification
    scans = [page.tags for page in pages if page.tags.valueof(_MAGNIFICATION, 0) > 0]
    return len({tags.valueof(_OFFSET, 0) for tags in scans})
