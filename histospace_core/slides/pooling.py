"""Pool the maps of patches over windows."""

import numpy as np
from numpy.typing import NDArray

from histospace_core.slides.patches import Windows

Values = NDArray[np.float32]


def window_means(maps: Values, windows: Windows) -> NDArray[np.float64]:
    """Return means (n, c) over windows of maps (m, c, s, s); cells that are cut count by area.

    `s` is `windows.cells`.
    """
    cells = _assembled(maps, windows)
    total = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1, cells.shape[2]))
    np.cumsum(cells, 0, dtype=np.float64, out=total[1:, 1:])
    np.cumsum(total[1:, 1:], 1, out=total[1:, 1:])
    near, far = windows.corners, windows.corners + windows.cells
    return (
        _between(total, far[:, 0], far[:, 1])
        - _between(total, near[:, 0], far[:, 1])
        - _between(total, far[:, 0], near[:, 1])
        + _between(total, near[:, 0], near[:, 1])
    ) / windows.cells**2


def window_maxima(maps: Values, windows: Windows) -> Values:
    """Return the maximum (n, c) over each window of maps (m, c, s, s), s being `windows.cells`.

    A window is moved to whole cells, by half a cell at most: as many as a window holds.
    """
    most = _assembled(maps, windows)
    reach = 1
    while reach < windows.cells:  # each step doubles the cells over which the maximum is taken
        most = np.maximum(most[:-reach], most[reach:])
        most = np.maximum(most[:, :-reach], most[:, reach:])
        reach *= 2
    x, y = np.rint(windows.corners).astype(np.intp).T
    return most[y, x]


def _assembled(maps: Values, windows: Windows) -> Values:
    """Return the cells of all patches at their places, (rows, columns, c); 0 elsewhere."""
    rows, columns = windows.shape
    side = windows.cells
    cells = np.zeros((rows, side, columns, side, maps.shape[1]), np.float32)
    row, column = windows.places.T
    cells[row, :, column] = maps.transpose(0, 2, 3, 1)
    return cells.reshape(rows * side, columns * side, -1)


def _between(
    table: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a summed-area table (h, w, c) at points between its entries, (n, c)."""
    left = np.minimum(x.astype(np.intp), table.shape[1] - 2)
    top = np.minimum(y.astype(np.intp), table.shape[0] - 2)
    right, down = (x - left)[:, None], (y - top)[:, None]
    above = table[top, left] * (1 - right) + table[top, left + 1] * right
    below = table[top + 1, left] * (1 - right) + table[top + 1, left + 1] * right
    return above * (1 - down) + below * down
