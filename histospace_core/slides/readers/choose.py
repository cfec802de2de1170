"""Choose the reader of a file by its content."""

from pathlib import Path

from histospace_core.errors import SlideError
from histospace_core.slides.content import dicom_instance
from histospace_core.slides.formats import library_reason, read_tiff_facts, sniff
from histospace_core.slides.readers.openslide import OpenSlideReader
from histospace_core.slides.readers.reader import Reader
from histospace_core.slides.readers.tiff import TiffSlideReader
from histospace_core.slides.readers.vips import VipsReader


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
        file = dicom_instance(path) if path.is_dir() else path
        if file.exists() and not file.is_file():
            raise SlideError("it is neither a file nor a folder of DICOM files.", path=path)
        kind = sniff(file)
    except FileNotFoundError:
        raise SlideError("there is no such file", path=path, remedy="check the path") from None
    except PermissionError:
        raise SlideError(
            "the file may not be read", path=path, remedy="check its permissions"
        ) from None
    except (OSError, ValueError) as error:
        # A path that no system call accepts (a null byte, say) cannot be shown as it is.
        raise SlideError(f"{path.name[:80]!a}: the file cannot be opened ({error}).") from None
    facts = read_tiff_facts(file) if kind == "tiff" else None
    try:
        if facts and facts.is_ome:
            return TiffSlideReader(file, facts)
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
            if facts and facts.is_tiled:
                return TiffSlideReader(file, facts)
            return VipsReader(file, kind)
    except (SlideError, MemoryError):  # the probe reports lack of memory as such
        raise
    except Exception as error:
        raise SlideError(
            f"not a slide that can be read{library_reason(error, file)}",
            path=path,
            remedy="export it again as SVS, NDPI, OME-TIFF, TIFF, PNG or JPEG",
        ) from error
