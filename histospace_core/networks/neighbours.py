"""Average the codes of a tile with those of its neighbours."""

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 2048  # bounds the pairs in memory, which a small stride makes many


def blend_with_neighbours(
    codes: NDArray[np.float32],
    centres_um: NDArray[np.float64],
    radius_um: float,
    share: float,
    stride_um: float | None = None,
) -> NDArray[np.float32]:
    """Mix each tile's codes with the mean of its neighbours' codes.

    The errors of a network vary faster from tile to tile than expression does.

    Parameters
    ----------
    codes : (n, c)
        A row with NaN (an unreadable tile) is unchanged and does not count as a neighbour.
    centres_um : (n, 2)
        Tile centres, um.
    radius_um
        Maximum distance of a neighbour's centre.
    share
        Weight of the neighbours' mean, 0 to 1; a tile without neighbours keeps its codes.
    stride_um
        Distance of the tiles if they lie on a grid, one at each place: then the time does not grow
        with the number of neighbours.

    Returns
    -------
    float32 (n, c), a new array.
    """
    blended = codes.astype(np.float32)
    known = np.flatnonzero(np.isfinite(codes).all(1))
    if len(known) < 2:
        return blended
    values, centres = codes[known].astype(np.float64), centres_um[known]
    if stride_um is None:
        means = _means_of_scattered(values, centres, radius_um)
    else:
        means = _means_on_grid(values, centres / stride_um, radius_um / stride_um)
    alone = np.isnan(means).any(1)
    means[alone] = values[alone]
    blended[known] = (1 - share) * values + share * means
    return blended


def _means_on_grid(
    values: NDArray[np.float64], centres: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Return the mean of each tile's neighbours, NaN without any; the grid has a step of 1."""
    places = np.rint(centres - centres.min(0)).astype(np.intp)
    column, row = places.T
    reach = int(radius)
    rows, columns = row.max() + 1 + 2 * reach, column.max() + 1 + 2 * reach
    # the half width of the disc in each of its rows; a rounding error must not lose a neighbour
    widths = [int(np.sqrt(max(radius**2 - dy**2, 0)) + 1e-9) for dy in range(-reach, reach + 1)]

    def around(own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over each tile's neighbours, from running sums along the rows."""
        grid = np.zeros((rows, columns + 1))
        grid[row + reach, column + reach + 1] = own
        np.cumsum(grid, 1, out=grid)
        total = -own
        for y, width in enumerate(widths):
            total += (
                grid[row + y, column + reach + width + 1] - grid[row + y, column + reach - width]
            )
        return total

    others = np.rint(around(np.ones(len(values))))
    sums = np.column_stack([around(own) for own in values.T])
    return np.where(others > 0, 1, np.nan)[:, None] * sums / np.maximum(others, 1)[:, None]


def _means_of_scattered(
    values: NDArray[np.float64], centres: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Return the mean of each tile's neighbours, NaN without any."""
    from scipy.spatial import cKDTree  # imported here, because it takes 0.2 s to load

    means = np.empty_like(values)
    everyone = cKDTree(centres)
    for start in range(0, len(values), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        # A distance may be zero, so count the entries, not the values.
        near = cKDTree(centres[here]).sparse_distance_matrix(
            everyone, radius, output_type="coo_matrix"
        )
        near.data[:] = 1
        near = near.tocsr()
        others = np.asarray(near.sum(1)).ravel() - 1  # each tile is within its own radius
        sums = near @ values - values[here]
        means[here] = (
            np.where(others > 0, 1, np.nan)[:, None] * sums / np.maximum(others, 1)[:, None]
        )
    return means
