"""Tiles as an image: their regular grid, with one cell per tile."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve


@dataclass(frozen=True)
class TileGrid:
    """The regular grid of tiles, including gaps.

    Attributes
    ----------
    x_edges, y_edges : ndarray, float64
        Edges of the cells, level-0 px.
    columns, rows : ndarray of int, shape (n,)
        Cell of each tile.
    step : int
        Cells from one tile to the next: 2 if there are gaps between tiles.
    """

    x_edges: npt.NDArray[np.float64]
    y_edges: npt.NDArray[np.float64]
    columns: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp]
    step: int = 1

    def fill(self, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return `values` (n,) as an image, with NaN where there is no tile."""
        shape = len(self.y_edges) - 1, len(self.x_edges) - 1
        picture = np.full(shape, np.nan, dtype=np.float32)
        picture[self.rows, self.columns] = values
        return picture

    def average(self, values: npt.ArrayLike, reach: float) -> npt.NDArray[np.float32]:
        """Return values (n,) averaged over the tiles within a number of strides, (n,).

        Parameters
        ----------
        values
            NaN where a tile has none; it neither counts nor gets one.
        reach : float
            inf for the mean of all tiles.
        """
        own = np.asarray(values, np.float64)
        known = np.isfinite(own)
        if not known.any() or reach < 1:
            return own.astype(np.float32)
        if not np.isfinite(reach):
            return np.where(known, own[known].mean(), np.nan).astype(np.float32)
        # cells without the gaps between tiles
        row, column = self.rows // self.step, self.columns // self.step
        near = np.arange(-int(reach), int(reach) + 1)
        disc = (near[:, None] ** 2 + near**2 <= reach**2).astype(np.float64)
        sums = []
        for part in (np.where(known, own, 0), known):
            cells = np.zeros((row.max() + 1, column.max() + 1))
            cells[row, column] = part
            sums.append(fftconvolve(cells, disc, "same")[row, column])
        return np.where(known, sums[0] / np.maximum(sums[1], 0.5), np.nan).astype(np.float32)


def _axis(positions: npt.NDArray[np.float64], side: float, stride: float) -> tuple:
    """Return the cell edges along one axis, the cell of each tile, and the step between them."""
    first = positions.min()
    steps = np.rint((positions - first) / stride).astype(np.intp)
    centres = first + stride * np.arange(steps.max() + 1)
    if stride - side < 1e-3 * stride:  # tiles touch: one cell per tile
        edges = np.append(centres - stride / 2, centres[-1] + stride / 2)
        return edges, steps, 1
    edges = np.column_stack([centres - side / 2, centres + side / 2]).ravel()
    return edges, 2 * steps, 2  # every other cell is the gap between two tiles


def tile_grid(centres: npt.NDArray[np.float64], tile: float, stride: float) -> TileGrid:
    """Return the grid of tiles.

    Parameters
    ----------
    centres : ndarray of float64, shape (n, 2)
        Tile centres, level-0 px, on a regular grid.
    tile, stride : float
        Side of a tile and stride, level-0 px. Tiles that overlap (``stride < tile``) are drawn as
        wide as the stride, so that each pixel shows only one tile.

    Raises
    ------
    ValueError
        Two tiles fall on the same cell, so the centres are not on a grid of this stride.
    """
    side = min(tile, stride)
    x_edges, columns, step = _axis(centres[:, 0], side, stride)
    y_edges, rows, _ = _axis(centres[:, 1], side, stride)
    if len(np.unique(rows * (columns.max() + 1) + columns)) < len(centres):
        raise ValueError(f"tile centres do not lie on a grid of {stride:g} px")
    return TileGrid(x_edges, y_edges, columns, rows, step)
