"""A gene as a picture to lay over the slide, any box of it at any resolution."""

import numpy as np
import numpy.typing as npt

from .colours import FOREIGN, colour_table, rgb
from .grid import TileGrid

Picture = npt.NDArray[np.float32]
RGBA = npt.NDArray[np.uint8]


class GeneLayer:
    """One gene's values on the grid of their tiles.

    Parameters
    ----------
    grid : TileGrid
    values : ndarray of float32, shape (n,)
        One value a tile; NaN leaves the slide bare.
    foreign : ndarray of bool, shape (n,)
        Tiles outside what the model knows.
    """

    def __init__(
        self, grid: TileGrid, values: npt.NDArray[np.float32], foreign: npt.NDArray[np.bool_]
    ) -> None:
        self._x, self._y = grid.x_edges, grid.y_edges
        #: The grid as a picture (rows, columns); NaN where there is no value.
        self.values = grid.fill(values)
        known = np.isfinite(self.values)
        self._sums = np.where(known, self.values, np.float32(0))
        self._known = known.astype(np.float32)
        self._foreign = np.nan_to_num(grid.fill(foreign)) * self._known

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return 4 * self.values.nbytes

    def paint(
        self,
        box: tuple[float, float, float, float],
        size: tuple[int, int],
        *,
        scale: str,
        limits: tuple[float, float],
        grey: bool = True,
    ) -> RGBA:
        """Draw a box of the slide.

        A pixel is given the mean of what lies under it, by area: far out, the average of many
        tiles; close by, the very value of one. It is opaque as far as tiles cover it.

        Parameters
        ----------
        box : tuple of float
            Left, top, width and height, level-0 px.
        size : tuple of int
            Width and height of the result, px.
        scale : str
            One of :data:`~histospace_core.figures.colours.SCALES`.
        limits : tuple of float
            Ends of the colour scale.
        grey : bool
            Draw foreign tiles in one grey instead of their colour.

        Returns
        -------
        ndarray of uint8, shape (height, width, 4)
        """
        left, top, width, height = box
        columns, wx = _weights(self._x, left, width, size[0])
        rows, wy = _weights(self._y, top, height, size[1])
        part = rows, columns
        known, foreign = self._known[part], self._foreign[part]
        out = np.zeros((size[1], size[0], 4), np.uint8)
        if not known.any():
            return out

        def mean(picture: Picture) -> Picture:
            return (wy @ picture @ wx.T).astype(np.float32, copy=False)

        inside = known - foreign if grey else known
        cover = mean(known)
        coloured = mean(inside) if grey and foreign.any() else cover
        colour = _colours(mean(self._sums[part] * inside), coloured, scale, limits)
        if coloured is not cover:
            mixed = coloured < cover
            share = (coloured[mixed] / cover[mixed])[:, None]
            colour[mixed] = np.rint(colour[mixed] * share + np.array(rgb(FOREIGN)) * (1 - share))
        out[..., :3] = colour
        out[..., 3] = np.rint(255 * np.minimum(cover, 1))
        return out


def _colours(
    sums: Picture, known: Picture, scale: str, limits: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    low, high = limits
    place = sums / np.maximum(known, 1e-9)  # no tile: anything, since it will not be seen
    place -= low
    place *= 255 / max(high - low, 1e-12)
    place += 0.5
    np.clip(place, 0, 255, out=place)
    return colour_table(scale).take(place.astype(np.uint8), axis=0)


def _weights(
    edges: npt.NDArray[np.float64], start: float, length: float, n: int
) -> tuple[slice, Picture]:
    """Return which cells an axis of `n` px meets, and each cell's share of each px (n, cells)."""
    first = max(0, int(np.searchsorted(edges, start, "right")) - 1)
    last = max(first, min(len(edges) - 1, int(np.searchsorted(edges, start + length, "left"))))
    px = np.linspace(start, start + length, n + 1)[:, None]
    begin, end = edges[first:last], edges[first + 1 : last + 1]
    shared = np.minimum(px[1:], end) - np.maximum(px[:-1], begin)
    return slice(first, last), (shared.clip(0) * (n / length)).astype(np.float32)
