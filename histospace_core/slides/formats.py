"""Recognise an image file by its content; its name is never trusted."""

import itertools
import logging
import operator
import re
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from histospace_core.errors import SlideError

FlatKind = Literal["png", "jpeg", "tiff"]

_MAGIC: tuple[tuple[bytes, FlatKind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),  # BigTIFF
    (b"MM\0+", "tiff"),  # BigTIFF
)
_MAX_PAGES = 100

_UNREADABLE: tuple[tuple[bytes, int, str], ...] = (
    (b"ZISRAWFILE", 0, "Zeiss CZI"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "Zeiss ZVI or Olympus OIB (an OLE file)"),
    (b"\x70\0\0\0", 0, "Leica LIF"),
    (b"\xda\xce\xbe\x0a", 0, "Nikon ND2"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", 0, "JPEG 2000"),
    (b"\xff\x4f\xff\x51", 0, "JPEG 2000"),
    (b"SIS\0", 0, "Olympus ETS"),
    (b"\x89HDF\r\n\x1a\n", 0, "HDF5 (as Imaris files are)"),
    (b"WEBP", 8, "WebP"),
    (b"GIF8", 0, "GIF"),
    (b"BM", 0, "BMP"),
    (b"\0\0\0\x0cJXL ", 0, "JPEG XL"),
    (b"ftyphei", 4, "HEIC"),
    (b"ftypmif1", 4, "HEIC"),
    (b"ftypavif", 4, "AVIF"),
    (b"%PDF", 0, "pdf"),
    (b"PK\x03\x04", 0, "zip"),
    (b"\x1f\x8b", 0, "gzip"),
    (b"7z\xbc\xaf\x27\x1c", 0, "7z"),
    (b"Rar!", 0, "rar"),
    (b"version https://git-lfs", 0, "git-lfs"),
)
"""First bytes, where they are, and the name of the format."""
_DOCUMENTS = {
    "pdf": "a PDF document",
    "zip": "a zip archive",
    "gzip": "a gzip archive",
    "7z": "a 7z archive",
    "rar": "a RAR archive",
    "git-lfs": "a placeholder of Git LFS",
}

# Our errors quote tifffile in one sentence, so its log does not go to stderr too.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class TiffFacts:
    """How much of the pixel data of a TIFF is missing."""

    segments: int
    segments_missing: int


def sniff(path: Path) -> FlatKind | None:
    """Return the image format that the first bytes state; None for anything else."""
    head = _head(path, 8)
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def refuse_unreadable(path: Path) -> None:
    """Refuse a format that no reader knows, by the name that its first bytes give it.

    Raises
    ------
    SlideError
        The file is in such a format; the error says how to export it.
    """
    head = _head(path, 4096)
    name = next((name for magic, at, name in _UNREADABLE if head[at:].startswith(magic)), None)
    if not head:
        raise SlideError(
            "the file is empty", path=path, remedy="check the original, and copy it again"
        )
    if not head.strip(b"\0"):
        raise SlideError(
            "the file begins with zeros only",
            path=path,
            remedy="check the original, and copy it again",
        )
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise SlideError(
            "a web page and not a slide, as a failed download leaves one",
            path=path,
            remedy="download the slide again and check that you are signed in",
        )
    if b'objecttype="dpufsimport"' in start:
        name = "Philips iSyntax"
    if name is None and _is_vsi(path, head):
        name = f"Olympus VSI, whose pixels are in its folder _{path.stem[:60]}_,"
    if name is None:
        return
    if name in _DOCUMENTS:
        raise SlideError(
            f"{_DOCUMENTS[name]} and not a slide",
            path=path,
            remedy="give the slide's own file",
        )
    raise SlideError(
        f"the format {name} is not read",
        path=path,
        remedy="export it as OME-TIFF, with QuPath or bioformats2raw and raw2ometiff, say",
    )


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _is_vsi(path: Path, head: bytes) -> bool:
    """Return whether a TIFF is the small first file of an Olympus slide."""
    if not head.startswith((b"II*\0", b"MM\0*")):
        return False
    folder = path.with_name(f"_{path.stem}_")
    return path.suffix.lower() == ".vsi" or any(folder.glob("stack*/*.ets"))


def read_tiff_facts(path: Path) -> TiffFacts:
    """Read the header of a TIFF, and count what of its pixels lies beyond the end of the file.

    Raises
    ------
    SlideError
        The header cannot be read.
    """
    with open_tiff(path) as tiff:
        ends, size = _segment_ends(tiff), path.stat().st_size
        return TiffFacts(len(ends), sum(end > size for end in ends))


def open_tiff(path: Path) -> Any:
    """Open a TIFF with tifffile.

    Raises
    ------
    SlideError
        The header cannot be read.
    """
    import tifffile

    try:
        tiff = tifffile.TiffFile(path)
        try:
            _ = tiff.pages.first.tags
        except BaseException:
            tiff.close()
            raise
    except Exception as error:  # tifffile raises whatever a hostile header provokes
        raise SlideError(
            f"the TIFF header cannot be read{library_reason(error, path)}",
            path=path,
            remedy="the file is damaged or incomplete: export it again",
        ) from error
    return tiff


def _segment_ends(tiff: Any) -> list[int]:
    """Return where the tiles and strips of all images in the file end, label and macro included.

    A directory that lies beyond the end counts as one segment there.
    """
    ends: list[int] = []
    try:
        for page in itertools.islice(tiff.pages, _MAX_PAGES):
            for part in (page, *(page.pages or ())):  # its sub-images too
                ends += map(operator.add, part.dataoffsets, part.databytecounts)
            last = page
        # tifffile silently stops at a directory beyond the end of the file, so check the offset
        layout, file = tiff.tiff, tiff.filehandle
        file.seek(last.offset)
        (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
        file.seek(last.offset + layout.tagnosize + tags * layout.tagsize)
        (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
        ends.append(following)
    except Exception:
        ends.append(sys.maxsize)
    return ends


def library_reason(error: BaseException, path: Path) -> str:
    """Return a library's error message in brackets, on one line.

    The path that libraries quote is removed: our sentence names the file, and the user need not
    know where the store is.
    """
    quoted = re.compile(rf"{re.escape(str(path))}:?")
    words = " ".join(quoted.sub("", str(error)).split())[:120]
    return f" ({words})" if len(words) > 8 else ""
