"""Decode the tiles of a TIFF that a box touches, and no others."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import SlideError
from histospace_core.slides.jpeg_tiles import (
    decode_jpeg,
    looks_whole,
    refuse_damaged,
    refuse_unfinished,
)

JPEG = 7  # TIFF's code for new-style JPEG, not the obsolete 6
_JPEG = (JPEG, 33007)
_OLD_JPEG = 6
GREY, _RGB, _YCBCR = 1, 2, 6  # photometric interpretations
_CONVERTED = (*_JPEG, 50001, 50002)
"""Compressions (JPEG, WebP, JPEG XL) whose decoders return RGB for YCbCr."""
_APERIO_YCBCR = 33003  # JPEG 2000 whose YCbCr no decoder converts
_BY_LIBVIPS = (1, 5, JPEG, 8, 32773, 32946)  # none, LZW, JPEG, Deflate, PackBits, Deflate
_APERIO_JPEG_2000 = (_APERIO_YCBCR, 33005)
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
            Value of tiles that the file leaves out; None returns None for a box with such a tile,
            or one that looks damaged.
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
                    tile = self._tile(number, judge=blank is not None)
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

    def _tile(self, number: int, *, judge: bool) -> NDArray | None:
        """Return a tile's pixels, None if it is left out or, unless `judge`, looks damaged."""
        size, offset = int(self._sizes[number]), int(self._offsets[number])
        if not (size and offset):  # a sparse file leaves out blank tiles
            return None
        data = os.pread(self._file, min(size, max(0, self._file_size - offset)), offset)
        page = self.page
        if page.compression not in _JPEG:
            return page.decode(data, number)[0][0]
        if not looks_whole(data):
            refuse_unfinished(data)
            if size > len(data):  # OpenSlide would reserve memory for all of it
                raise ValueError("a tile reaches beyond the end of the file")
            if not judge:
                return None
            refuse_damaged(data, self._tables)
        # As OpenSlide: the page states the colours, and not the JPEG streams themselves.
        stored = {_RGB: "RGB", _YCBCR: "YCBCR"}.get(page.photometric)
        width, height = self._tile_size
        if not page.is_tiled:  # the last strip is shorter
            rows = -(-self.size[1] // height)
            height = min(height, self.size[1] - number % rows * height)
        # Tiles are abbreviated streams: the page holds the tables that they share.
        colours = stored if page.planarconfig == 1 else None
        return decode_jpeg(data, self._tables, colours, (height, width))


def _tile_size(page: Any) -> tuple[int, int]:
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def is_plain_jpeg(page: Any) -> bool:
    """Return whether OpenSlide decodes a page's tiles with libjpeg alone, as `TiledPage` does."""
    return bool(
        page.is_tiled
        and page.compression == JPEG
        and page.photometric in (_RGB, _YCBCR)
        and page.bitspersample == 8
        and page.samplesperpixel == 3
        and page.planarconfig == 1
    )


def orientation(page: Any) -> int:
    """Return by which of eight turns and mirrors a page asks to be shown; 1 is as stored."""
    try:
        return int(page.tags.valueof("Orientation", 1))
    except (TypeError, ValueError):
        return 1


def libvips_decodes(page: Any) -> bool:
    """Return whether libvips reads a page in strips; it makes black of strips that are left out."""
    whole = 0 not in page.dataoffsets and 0 not in page.databytecounts
    colours = page.photometric == _RGB or (page.photometric, page.compression) == (_YCBCR, JPEG)
    return bool(not page.is_tiled and page.compression in _BY_LIBVIPS and colours and whole)


def openslide_agrees(pages: Iterable[Any]) -> bool:
    """Return whether OpenSlide shows all pages of a plain TIFF's image, and as they are stored.

    Unless it decodes the tiles itself, libtiff turns each tile by the tag Orientation, and of
    several grey channels it shows the first. OpenSlide does not read sub-images.
    """
    return all(
        (orientation(page) == 1 or is_plain_jpeg(page) or page.compression in _APERIO_JPEG_2000)
        and page.photometric != GREY
        and page.is_subifd is False
        for page in pages
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
    if page.photometric in _COLOURS:
        problem = f"its colours are stored as {_COLOURS[page.photometric]}, not as RGB"
    elif bits != 8 or sample_format != 1 or channels not in (3, 4):
        what = {2: "signed integer", 3: "float"}.get(sample_format, "integer")
        problem = f"{channels} channel(s) of {bits}-bit {what} are not 8-bit colour"
    elif page.photometric not in (GREY, _RGB, _YCBCR):
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


def is_premultiplied(page: Any) -> bool:
    """Return whether the colours of a page with alpha are multiplied by it, as libtiff takes it."""
    return bool(page.extrasamples) and page.extrasamples[0] in _PREMULTIPLIED


def on_white(pixels: NDArray[np.uint8], page: Any) -> NDArray[np.uint8]:
    """Composite pixels (h, w, 4) on white by the kind of alpha that their page states."""
    alpha = pixels[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(pixels[..., :3])
    colour = pixels[..., :3].astype(np.uint16)
    if not is_premultiplied(page):
        colour = (colour * alpha + 127) // 255
    return np.minimum(colour + 255 - alpha, 255).astype(np.uint8)
