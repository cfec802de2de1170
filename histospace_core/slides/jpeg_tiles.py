"""Read the JPEG tiles of a TIFF without OpenSlide.

OpenSlide passes tiles through a cache, a canvas with alpha and a change of byte order. Decoding
them straight into the region's pixels takes about a fifth of the time. Only plain pyramids are read
this way; OpenSlide reads all others.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_JPEG = 7  # TIFF's code for new-style JPEG, not the obsolete 6
_RGB, _YCBCR = 2, 6  # photometric interpretations
VENDORS = ("generic-tiff", "aperio")
"""Formats, as OpenSlide names them, whose levels are plain tiled images."""


@dataclass(frozen=True)
class _Level:
    """A level of the pyramid, and the positions of its tiles in the file."""

    page: Any
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint64]

    @classmethod
    def of(cls, page: Any) -> Self:
        """Move the tile tables out of tifffile, whose lists take ten times as much memory."""
        level = cls(
            page,
            np.array(page.dataoffsets, np.uint64),
            np.array(page.databytecounts, np.uint64),
        )
        page.dataoffsets = page.databytecounts = ()
        for tag in ("TileOffsets", "TileByteCounts"):  # the tags hold the same lists
            del page.tags[tag]
        return level


class JpegTiles:
    """The levels of a tiled TIFF that are compressed as JPEG.

    Parameters
    ----------
    path
        The file; the caller has checked that it is a TIFF.
    sizes
        Width and height of each level of the pyramid, px.
    """

    def __init__(self, path: Path, sizes: tuple[tuple[int, int], ...]) -> None:
        import tifffile

        self._tiff = tifffile.TiffFile(path)
        pages: Any = self._tiff.pages
        # By size, because OpenSlide does not tell which page of the file a level is.
        plain = {(p.imagewidth, p.imagelength): _Level.of(p) for p in pages if _is_plain(p)}
        self._levels = [plain.get(size) for size in sizes]
        self._file = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        os.close(self._file)
        self._tiff.close()

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image | None:
        """Return a box, in px of the level, or None if the level is not plain JPEG tiles.

        Raises whatever the decoder raises on damaged tiles.
        """
        found = self._levels[level]
        if found is None:
            return None
        page = found.page
        side_x, side_y = page.tilewidth, page.tilelength
        along = -(-page.imagewidth // side_x)
        pixels = np.empty((h, w, 3), np.uint8)  # filled: the box lies within the level
        for row in range(y // side_y, -(-(y + h) // side_y)):
            for column in range(x // side_x, -(-(x + w) // side_x)):
                tile = self._tile(found, row * along + column)
                if tile is None:
                    return None
                top, left = row * side_y - y, column * side_x - x
                inside = tile[max(0, -top) : h - top, max(0, -left) : w - left]
                to_y, to_x = max(0, top), max(0, left)
                pixels[to_y : to_y + len(inside), to_x : to_x + inside.shape[1]] = inside
        return Image.fromarray(pixels)

    def _tile(self, level: _Level, number: int) -> np.ndarray | None:
        size = int(level.sizes[number])
        if not size:  # a sparse file leaves out blank tiles; OpenSlide paints them
            return None
        data = os.pread(self._file, size, int(level.offsets[number]))
        # Tiles are abbreviated streams: the page holds the tables that they share.
        return level.page.decode(data, number, jpegtables=level.page.jpegtables)[0][0]


def _is_plain(page: Any) -> bool:
    return bool(
        page.is_tiled
        and page.compression == _JPEG
        and page.photometric in (_RGB, _YCBCR)
        and page.bitspersample == 8
        and page.samplesperpixel == 3
        and page.planarconfig == 1  # channels of a pixel together
    )
