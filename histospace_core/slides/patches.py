"""Windows that share their pixels: the patches of a fixed grid, which many tiles see at once.

Views around neighbouring tiles overlap: 4 fold at twice a tile's width, 256 fold at sixteen times.
Here the slide is divided into patches at each scale, on a grid from its upper left corner, so that
a network computes each of them once. A tile's window is as large as a patch and touches at most
four; `networks/dense.py` pools their maps over it. The pixels of a patch do not depend on what else
is read with it.

The patches of the widest views overlap, and a window takes the values of the nearest four, weighted
by its distance from each: patches side by side would be as far apart as whole regions of tissue,
and mixing them costs accuracy (docs/experiments.md). There are few of them all the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from histospace_core.errors import SlideError
from histospace_core.slides.open import RGB, Slide
from histospace_core.slides.view import View

PATCH_PX = 64
"""Side of a patch and of a window, px of its scale.

They are equal, so that every window holds exactly one period of the grid: what a network does at
the borders of a patch is the same in every window.
"""
CELL_PX = 8
"""Side of a cell, the part of a patch in which a network's maps are kept."""
CELLS = PATCH_PX // CELL_PX
"""Cells along a patch, and along a window."""
OVERLAP = 4
"""Patches along a patch where they overlap."""
_WIDE = 8
"""Widths of a tile beyond which the patches of a view overlap."""
GROUP_UM = 1413.0
"""Side of the squares in which scattered centres are read together."""


@dataclass(frozen=True)
class Windows:
    """The windows of some centres at one scale, and the patches that they touch.

    Attributes
    ----------
    patches : uint8 array (m, 64, 64, 3)
        White where the slide ends or cannot be read.
    places : int array (m, 2)
        Row and column of each patch within the rectangle that holds them all.
    shape : tuple of int
        Rows and columns of the rectangle.
    corners : float64 array (n, 2)
        Upper left corner (x, y) of each window, in cells from the corner of the rectangle.
    cells : int
        Cells along a patch and along a window: `CELLS`, or 1 if patches overlap; then a cell is as
        wide as the distance between two patches.
    readable : bool array (n,)
        Whether all patches of a window could be read.
    """

    patches: RGB
    places: npt.NDArray[np.intp]
    shape: tuple[int, int]
    corners: npt.NDArray[np.float64]
    readable: npt.NDArray[np.bool_]
    cells: int = CELLS

    @classmethod
    def of_views(cls, view: RGB) -> "Windows":
        """Return windows that are patches themselves: views (n, 64, 64, 3), side by side."""
        n = len(view)
        places = np.column_stack([np.zeros(n, np.intp), np.arange(n)])
        corners = places[:, ::-1].astype(np.float64) * CELLS
        return cls(view, places, (1, n), corners, np.ones(n, bool))

    @classmethod
    def stacked(cls, parts: Sequence["Windows"]) -> "Windows":
        """Return the windows of several rectangles at one scale, laid below each other as one."""
        first_rows = np.cumsum([0, *(part.shape[0] for part in parts)])
        moved = list(zip(parts, first_rows[:-1], strict=True))
        return cls(
            np.concatenate([part.patches for part in parts]),
            np.concatenate([part.places + np.array([row, 0]) for part, row in moved]),
            (int(first_rows[-1]), max(part.shape[1] for part in parts)),
            np.concatenate([p.corners + np.array([0, row * p.cells]) for p, row in moved]),
            np.concatenate([part.readable for part in parts]),
            parts[0].cells,
        )

    def recoloured(self, normalise: Callable[[RGB], RGB]) -> "Windows":
        """Return the windows with `normalise` applied to every patch."""
        return replace(self, patches=normalise(self.patches))

    def of(self, rows: npt.NDArray[np.intp]) -> "Windows":
        """Return the windows of some of the centres; the patches stay."""
        return replace(self, corners=self.corners[rows], readable=self.readable[rows])


def overlap(view: View, tile: View) -> int:
    """Return how many patches of a view there are along a patch: 1 if they lie side by side."""
    return OVERLAP if view.um > 1.01 * _WIDE * tile.um else 1


def cut_windows(
    slide: Slide, view: View, centres: npt.NDArray[np.float64], overlap: int = 1
) -> Windows:
    """Read the patches that the windows of some centres touch.

    Parameters
    ----------
    slide
        Its pixel size must be known.
    view
        Its side is `PATCH_PX`.
    centres
        Level-0 px, (n, 2), near each other: the rectangle around their windows is read in one
        piece. If part of it cannot be decoded, its patches are read one by one.
    overlap
        Number of patches along a patch.
    """
    if view.px != PATCH_PX:
        raise ValueError(f"a window has {PATCH_PX} px, not {view.px}")
    level0 = view.um_per_px / slide.mpp
    step = PATCH_PX // overlap
    cells = 1 if overlap > 1 else CELLS
    # rounded, so that a window on the grid does not touch a neighbour by a rounding error
    corners = np.round((centres / level0 - PATCH_PX / 2) / step, 7)  # in patches
    first = np.floor(corners).astype(np.intp)
    last = np.ceil(corners).astype(np.intp)  # the patch of the window's far side
    origin, end = first.min(0), last.max(0) + 1
    columns, rows = (int(n) for n in end - origin)
    touched = np.zeros((rows, columns), bool)
    x, y = np.stack([first, last], 2).transpose(1, 0, 2) - origin[:, None, None]
    touched[y[:, :, None], x[:, None, :]] = True
    places = np.argwhere(touched)
    patches, readable = _read(slide, level0, step, origin, places)
    lost = np.zeros((rows, columns), bool)
    lost[tuple(places[~readable].T)] = True
    whole = ~lost[y[:, :, None], x[:, None, :]].any((1, 2))
    return Windows(patches, places, (rows, columns), (corners - origin) * cells, whole, cells)


def groups(centres: npt.NDArray[np.float64], mpp: float) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the indices of scattered centres (n, 2), level-0 px, square by square."""
    square = np.floor(centres * mpp / GROUP_UM).astype(np.intp)
    _, group = np.unique(square, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _read(
    slide: Slide,
    level0: float,
    step: int,
    origin: npt.NDArray[np.intp],
    places: npt.NDArray[np.intp],
) -> tuple[RGB, npt.NDArray[np.bool_]]:
    """Return the patches at some places, `step` px apart, and which of them could be read."""
    readable = np.ones(len(places), bool)
    top, left = places.min(0)
    h, w = (int(n) * step + PATCH_PX for n in np.ptp(places, axis=0))

    def read(row: int, column: int, w: int, h: int) -> RGB:
        x, y = (float(n) * step * level0 for n in (origin[0] + column, origin[1] + row))
        return slide.read(x, y, w * level0, h * level0, w, h)

    try:
        pixels = read(top, left, w, h)
    except SlideError:
        patches = np.full((len(places), PATCH_PX, PATCH_PX, 3), 255, np.uint8)
        for i, (row, column) in enumerate(places):
            try:
                patches[i] = read(row, column, PATCH_PX, PATCH_PX)
            except SlideError:
                readable[i] = False
        return patches, readable
    every = np.lib.stride_tricks.sliding_window_view(pixels, (PATCH_PX, PATCH_PX), axis=(0, 1))
    row, column = ((places - [top, left]) * step).T
    return np.ascontiguousarray(every[row, column].transpose(0, 2, 3, 1)), readable
