"""Pool the maps of patches over windows on a device: `slides/pooling.py` in torch.

No result leaves the device, so nothing waits for it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Windowed:
    """Where the windows of some centres lie; the attributes are those of `Windows`.

    Attributes
    ----------
    places : int64 Tensor (m, 2)
    corners : float64 Tensor (n, 2)
    shape : tuple of int
    cells : int
    """

    places: Tensor
    corners: Tensor
    shape: tuple[int, int]
    cells: int

    def means(self, maps: Tensor) -> Tensor:
        """Return means (n, c), float64, over windows of maps (m, c, s, s), s being `cells`."""
        table = pad(self._assembled(maps).double().cumsum(0).cumsum(1), (0, 0, 1, 0, 1, 0))
        (left, top), (right, bottom) = self.corners.T, (self.corners + self.cells).T
        return (
            _between(table, right, bottom)
            - _between(table, left, bottom)
            - _between(table, right, top)
            + _between(table, left, top)
        ) / self.cells**2

    def maxima(self, maps: Tensor) -> Tensor:
        """Return the maximum (n, c) over each window of maps (m, c, s, s), moved to whole cells."""
        most, reach = self._assembled(maps), 1
        while reach < self.cells:  # each step doubles the cells over which the maximum is taken
            most = torch.maximum(most[:-reach], most[reach:])
            most = torch.maximum(most[:, :-reach], most[:, reach:])
            reach *= 2
        x, y = self.corners.round().long().T
        return most[y, x]

    def _assembled(self, maps: Tensor) -> Tensor:
        """Return the cells of all patches at their places, (rows, columns, c); 0 elsewhere."""
        rows, columns = self.shape
        cells = maps.new_zeros(rows, columns, self.cells, self.cells, maps.shape[1])
        row, column = self.places.T
        cells[row, column] = maps.permute(0, 2, 3, 1)
        return cells.transpose(1, 2).reshape(rows * self.cells, columns * self.cells, -1)


def _between(table: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return a summed-area table (h, w, c) at points between its entries, (n, c)."""
    left = x.long().clamp(max=table.shape[1] - 2)
    top = y.long().clamp(max=table.shape[0] - 2)
    right, down = (x - left)[:, None], (y - top)[:, None]
    above = table[top, left] * (1 - right) + table[top, left + 1] * right
    below = table[top + 1, left] * (1 - right) + table[top + 1, left + 1] * right
    return above * (1 - down) + below * down
