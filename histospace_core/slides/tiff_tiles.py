"""Decode the tiles of a TIFF that a box touches, and no others."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import SlideError

_JPEG = (7, 33007)  # TIFF's codes for new-style JPEG, not the obsolete 6
_OLD_JPEG = 6
_GREY, _RGB, _YCBCR = 1, 2, 6  # photometric interpretations
_CONVERTED = (*_JPEG, 50001, 50002)
"""Compressions (JPEG, WebP, JPEG XL) whose decoders return RGB for YCbCr."""
_APERIO_YCBCR = 33003  # JPEG 2000 whose YCbCr no decoder converts
_COLOURS = {0: "inverted grey", 3: "a colour palette", 4: "a mask", 5: "CMYK", 8: "CIELab"}
_TABLES = ("TileOffsets", "TileByteCounts", "StripOffsets", "StripByteCounts")
_PREMULTIPLIED = (0, 1)  # kinds of extra sample; libtiff takes an unspecified one as premultiplied
_MAX_TILE_PIXELS = 1 << 26


class TiledPage:
    """One page of a TIFF; a strip counts as a tile as wide as the page.

    Parameters
    ----------
    page
        The page as tifffile reads it, of 8-bit grey or RGB; its tile tables are moved out of it.
    file
        Descriptor of the open file.

    Raises
    ------
    ValueError
        A tag of the page is damaged.
    """

    def __init__(self, page: Any, file: int) -> None:
        self.page = page
        self.size: tuple[int, int] = (page.imagewidth, page.imagelength)
        self.channels: int = page.samplesperpixel
        self._file, self._file_size = file, os.fstat(file).st_size
        # tifffile keeps lists, which take ten times as much memory.
        self._offsets = np.array(page.dataoffsets, np.uint64)
        self._sizes = np.array(page.databytecounts, np.uint64)
        page.dataoffsets = page.databytecounts = ()
        for tag in _TABLES:
            if tag in page.tags:
                del page.tags[tag]
        self._tile_size = _tile_size(page)
        self._require_whole()
        self._tables: bytes | None = page.jpegtables

    def _require_whole(self) -> None:
        """Refuse a page whose damaged tags tifffile has passed over."""
        if min(*self.size, *self._tile_size) < 1 or self.page.planarconfig not in (1, 2):
            raise ValueError("a tag of the image is damaged")
        across, down = (-(-a // b) for a, b in zip(self.size, self._tile_size, strict=True))
        planes = self.channels if self.page.planarconfig == 2 else 1
        if min(len(self._offsets), len(self._sizes)) < across * down * planes:
            raise ValueError("the table of tiles is damaged")

    def read(self, x: int, y: int, w: int, h: int, blank: int | None = 255) -> NDArray | None:
        """Return a box (h, w, channels), uint8, in px of the page, within which it lies.

        Raises whatever the decoder raises on damaged tiles.

        Parameters
        ----------
        x, y, w, h
        blank
            Value of tiles that the file leaves out; None returns None for a box with such a tile.
        """
        page = self.page
        side_x, side_y = self._tile_size
        along, down = -(-self.size[0] // side_x), -(-self.size[1] // side_y)
        planes = self.channels if page.planarconfig == 2 else 1  # 2: each channel on its own
        pixels = np.empty((h, w, self.channels), np.uint8)
        for row in range(y // side_y, -(-(y + h) // side_y)):
            for column in range(x // side_x, -(-(x + w) // side_x)):
                top, left = row * side_y - y, column * side_x - x
                box = pixels[max(0, top) : top + side_y, max(0, left) : left + side_x]
                for plane in range(planes):
                    number = (plane * down + row) * along + column
                    tile = self._tile(number)
                    into = box[..., plane : plane + 1] if planes > 1 else box
                    if tile is None:
                        if blank is None:
                            return None
                        if self._offsets[number] or self._sizes[number]:
                            raise ValueError("a tile has a place but no size, or the reverse")
                        into[:] = blank
                        continue
                    if tile.shape[-1] != into.shape[-1]:  # numpy would repeat one channel
                        raise ValueError(f"a tile has {tile.shape[-1]} channels")
                    into[:] = tile[max(0, -top) : h - top, max(0, -left) : w - left]
        return pixels

    def _tile(self, number: int) -> NDArray | None:
        size, offset = int(self._sizes[number]), int(self._offsets[number])
        if not (size and offset):  # a sparse file leaves out blank tiles
            return None
        data = os.pread(self._file, min(size, max(0, self._file_size - offset)), offset)
        page = self.page
        if page.compression not in _JPEG:
            return page.decode(data, number)[0][0]
        import imagecodecs

        # As OpenSlide: the page states the colours, and not the JPEG streams themselves.
        stored = {_RGB: "RGB", _YCBCR: "YCBCR"}.get(page.photometric)
        colours = (stored, "RGB") if page.planarconfig == 1 and stored else (None, None)
        # Tiles are abbreviated streams: the page holds the tables that they share.
        tile = imagecodecs.jpeg_decode(
            data, tables=self._tables, colorspace=colours[0], outcolorspace=colours[1]
        )
        width, height = self._tile_size
        if not page.is_tiled:  # the last strip is shorter
            rows = -(-self.size[1] // height)
            height = min(height, self.size[1] - number % rows * height)
        shape = (height, width)
        if tile.shape[:2] != shape or tile.dtype != np.uint8:
            raise ValueError(
                f"a JPEG tile is {tile.shape[1]} x {tile.shape[0]} px, not {shape[1]} x {shape[0]}"
            )
        return tile.reshape(*shape, -1)


def _tile_size(page: Any) -> tuple[int, int]:
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def is_plain_jpeg(page: Any) -> bool:
    """Return whether OpenSlide decodes a page's tiles with libjpeg alone, as `TiledPage` does."""
    return bool(
        page.is_tiled
        and page.compression == _JPEG[0]
        and page.photometric in (_RGB, _YCBCR)
        and page.bitspersample == 8
        and page.samplesperpixel == 3
        and page.planarconfig == 1
    )


def refuse_colours(page: Any, channels: int, path: Path) -> None:
    """Refuse an image in anything but 8-bit RGB.

    Parameters
    ----------
    page
        The image's first page, as tifffile reads it.
    channels
        Number of channels of the image, of which each may be a page of its own.
    path
        The file, for the message.
    """
    bits, sample_format = page.bitspersample, int(page.sampleformat)
    problem = ""
    if bits != 8 or sample_format != 1 or channels not in (3, 4):
        what = "float" if sample_format == 3 else "integer"
        problem = f"{channels} channel(s) of {bits}-bit {what} are not 8-bit colour"
    elif page.photometric in _COLOURS:
        problem = f"its colours are stored as {_COLOURS[page.photometric]}, not as RGB"
    elif page.photometric not in (_GREY, _RGB, _YCBCR):
        problem = f"its colours are stored in an unusual way ({page.photometric!r:.40}), not as RGB"
    if problem:
        raise SlideError(problem, path=path, remedy="save the H&E scan as 8-bit RGB")


def refuse_tiles(page: Any, path: Path) -> None:
    """Refuse a page whose tiles `TiledPage` cannot read, and say what it is about them."""
    import tifffile

    compression = int(page.compression)
    problem = ""
    width, height = _tile_size(page)
    if page.tiledepth > 1 or width * height > _MAX_TILE_PIXELS:
        problem = f"tiles or strips of {width} x {height} px are too large to be read"
    elif compression == _OLD_JPEG:
        problem = "its tiles have an obsolete form of JPEG compression (compression: 6)"
    elif page.photometric == _YCBCR and compression not in _CONVERTED:
        problem = "its colours are stored as YCbCr without JPEG compression"
    elif page.is_svs and compression == _APERIO_YCBCR:
        problem = f"its colours are stored as YCbCr in JPEG 2000 (compression: {compression})"
    elif compression != 1:
        try:
            tifffile.TIFF.DECOMPRESSORS[compression]
        except KeyError:
            problem = f"its tiles cannot be decoded (compression: {compression})"
    if problem:
        raise SlideError(
            problem, path=path, remedy="save it as a tiled TIFF with JPEG, LZW or no compression"
        )


def on_white(pixels: NDArray[np.uint8], page: Any) -> NDArray[np.uint8]:
    """Composite pixels (h, w, 4) on white by the kind of alpha that their page states."""
    alpha = pixels[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(pixels[..., :3])
    colour = pixels[..., :3].astype(np.uint16)
    kind = page.extrasamples[0] if page.extrasamples else 2
    if kind not in _PREMULTIPLIED:
        colour = (colour * alpha + 127) // 255
    return np.minimum(colour + 255 - alpha, 255).astype(np.uint8)
