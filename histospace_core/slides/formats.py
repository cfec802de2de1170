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

# Our errors quote tifffile in one sentence, so its log does not go to stderr too.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
_UNIT_UM = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3}


@dataclass(frozen=True)
class TiffFacts:
    """Kind and description of a TIFF, and how much of its pixel data is missing."""

    is_ome: bool
    is_tiled: bool
    description: str
    segments: int
    segments_missing: int


def sniff(path: Path) -> FlatKind | None:
    """Return the image format that the first bytes state; None for anything else."""
    with path.open("rb") as file:
        head = file.read(8)
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def read_tiff_facts(path: Path) -> TiffFacts:
    """Read the header of a TIFF, and refuse anything but 8-bit colour.

    OpenSlide opens float, 16-bit and grey TIFFs, and then fails or shows grey.

    Raises
    ------
    SlideError
        The header cannot be read, or the first image is not 8-bit colour.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            bits, sample_format = page.bitspersample, int(page.sampleformat)
            planes = _planes(tiff, page.samplesperpixel)
            ends = _segment_ends(tiff)
            size = path.stat().st_size
            missing = sum(end > size for end in ends)
            facts = TiffFacts(tiff.is_ome, page.is_tiled, page.description, len(ends), missing)
    except Exception as error:  # tifffile raises whatever a hostile header provokes
        raise SlideError(
            f"the TIFF header cannot be read{library_reason(error, path)}",
            path=path,
            remedy="the file is damaged or incomplete: export it again",
        ) from error
    if bits != 8 or sample_format != 1 or planes < 3:
        what = "float" if sample_format == 3 else "integer"
        raise SlideError(
            f"{planes} channel(s) of {bits}-bit {what} are not 8-bit colour",
            path=path,
            remedy="save the H&E scan as 8-bit RGB",
        )
    return facts


def _segment_ends(tiff: Any) -> list[int]:
    """Return where the tiles and strips of all images in the file end, label and macro included.

    A directory that lies beyond the end counts as one segment there.
    """
    ends: list[int] = []
    try:
        for page in itertools.islice(tiff.pages, _MAX_PAGES):
            ends += map(operator.add, page.dataoffsets, page.databytecounts)
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


def _planes(tiff: Any, samples: int) -> int:
    """Return the number of channels of the main image; in OME-TIFF each may be its own page."""
    series = tiff.series[0] if samples == 1 and tiff.is_ome else None
    if series is None or "C" not in series.axes:
        return samples
    channels = int(series.shape[series.axes.index("C")])
    return channels if channels in (3, 4) else 1


def ome_pixel_size(description: str, size: tuple[int, int]) -> tuple[float, float] | None:
    """Return the pixel size (x, y) in um that OME-XML states for the image of this size.

    Only attributes of the `Pixels` element are read, with a regular expression: an XML parser would
    expand the entities of a hostile document.
    """
    # The length is bounded, so that unclosed elements do not make the search quadratic.
    for pixels in re.findall(r"<(?:\w+:)?Pixels\b[^>]{0,4000}>", description):
        found = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', pixels))
        # The description may list a label or macro image too.
        if found.get("SizeX") != str(size[0]):
            continue
        try:
            x, y = (
                float(found[f"PhysicalSize{axis}"])
                # μ is Greek mu, µ the micro sign; both occur.
                * _UNIT_UM[found.get(f"PhysicalSize{axis}Unit", "µm").replace("μ", "µ")]
                for axis in "XY"
            )
        except (KeyError, ValueError):
            return None
        return x, y
    return None


def library_reason(error: BaseException, path: Path) -> str:
    """Return a library's error message in brackets, on one line.

    The path that libraries quote is removed: our sentence names the file, and the user need not
    know where the store is.
    """
    quoted = re.compile(rf"{re.escape(str(path))}:?")
    words = " ".join(quoted.sub("", str(error)).split())[:120]
    return f" ({words})" if len(words) > 8 else ""
