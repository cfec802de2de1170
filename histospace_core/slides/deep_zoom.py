"""A slide as a Deep Zoom pyramid of square tiles, for the viewer."""

import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from histospace_core.slides.open import RGB, open_slide

TILE_PX = 512
"""Side of a tile, px: large enough that a screen needs few, small enough to be made quickly."""
OVERVIEW_PX = 2048
"""Coarse levels are cut from one picture of this size, so that a flat image is not read in full for
each tile."""


class Box(NamedTuple):
    """Position and size of a tile in level-0 px, and the size of its picture in px."""

    x: int
    y: int
    w: int
    h: int
    out_w: int
    out_h: int


@dataclass(frozen=True)
class Pyramid:
    """The levels and tiles of a picture, numbered as in the Deep Zoom format, without overlap.

    Level `last` is the full resolution, and each level below halves it; level 0 would be one px.

    Attributes
    ----------
    width, height : int
        Size of the full resolution, px.
    tile : int
        Side of a tile, px.
    """

    width: int
    height: int
    tile: int = TILE_PX

    @property
    def last(self) -> int:
        """The level of full resolution."""
        return (max(self.width, self.height) - 1).bit_length()  # the rounded-up log2, in integers

    @property
    def first(self) -> int:
        """The finest level that fits into one tile; coarser levels are not served."""
        return min(self.last, (self.tile - 1).bit_length())

    def downsample(self, level: int) -> int:
        """Level-0 px per px of a level."""
        return 1 << (self.last - level)

    def shape(self, level: int) -> tuple[int, int]:
        """Columns and rows of a level."""
        side = self.tile * self.downsample(level)
        return -(-self.width // side), -(-self.height // side)

    def box(self, level: int, column: int, row: int) -> Box:
        """Return the box of a tile, clipped at the right and lower border of the picture.

        Raises
        ------
        IndexError
            There is no such tile.
        """
        if self.first <= level <= self.last:
            columns, rows = self.shape(level)
            if 0 <= column < columns and 0 <= row < rows:
                down = self.downsample(level)
                x, y = column * self.tile * down, row * self.tile * down
                w = min(self.tile * down, self.width - x)
                h = min(self.tile * down, self.height - y)
                return Box(x, y, w, h, -(-w // down), -(-h // down))
        raise IndexError(f"This pyramid has no tile {column}, {row} at level {level}.")


class DeepZoomSlide:
    """An open slide that serves tiles, also to several threads at a time.

    The file is closed with the last reference to the object. Label and macro images are never
    served: `open_slide` does not read them.

    Parameters
    ----------
    path : Path
    series : str, optional
        Which image to show, where the file holds several.
    """

    def __init__(self, path: Path, series: str | None = None) -> None:
        self.path = path
        self._slide = open_slide(path, series=series)
        self.pyramid = Pyramid(self._slide.width, self._slide.height)
        self._overview: Image.Image | None = None
        self._lock = threading.Lock()
        # The slide's method, because one of self would keep self alive.
        weakref.finalize(self, self._slide.close)

    def tile(self, level: int, column: int, row: int) -> RGB:
        """Return one tile, uint8 (h, w, 3).

        Raises
        ------
        IndexError
            There is no such tile.
        SlideError
            Its part of the slide cannot be decoded.
        """
        box = self.pyramid.box(level, column, row)
        longer = max(self._slide.width, self._slide.height)
        if self.pyramid.downsample(level) * OVERVIEW_PX < longer:
            return self._slide.read(*box)  # the overview would be too coarse
        picture = self._overview_image()
        across, down = picture.width / self._slide.width, picture.height / self._slide.height
        part = (box.x * across, box.y * down, (box.x + box.w) * across, (box.y + box.h) * down)
        out = (box.out_w, box.out_h)
        return np.asarray(picture.resize(out, Image.Resampling.BICUBIC, box=part))

    def _overview_image(self) -> Image.Image:
        with self._lock:  # tiles come in parallel; one overview is enough
            if self._overview is None:
                self._overview = Image.fromarray(self._slide.thumbnail(OVERVIEW_PX))
            return self._overview
