"""Average predicted tiles at the positions of measured spots."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

MIN_COVER = 0.5
"""Share of a spot-centred tile that predicted tiles must cover for the spot to be compared."""


def tile_weights(
    centres: NDArray[np.float64], spots: NDArray[np.float64], side: float, stride: float
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    """Return the weights that average predicted tiles to the prediction at each spot.

    In training the model saw a tile centred on each spot, but a run predicts the tiles of a grid. A
    tile centred on the spot overlaps up to four of them; each is weighted by the shared area
    (bilinear interpolation on a grid without gaps).

    Parameters
    ----------
    centres, spots
        Tile centres (n, 2) and spot centres (m, 2), level-0 px.
    side, stride
        Side of a tile and distance between tile centres, level-0 px.

    Returns
    -------
    weights : (m, n)
        Rows sum to 1 if any tile overlaps.
    cover : (m,)
        Share of the square that tiles cover, in [0, 1].
    """
    reach = max(side, stride)
    # tiles that touch the square at a corner are this far from the spot
    near = cKDTree(centres).query_ball_point(spots, r=reach * np.sqrt(2))
    rows = np.repeat(np.arange(len(spots)), [len(n) for n in near])
    columns = np.array([i for n in near for i in n], dtype=np.intp)
    offset = np.abs(centres[columns] - spots[rows])
    area = np.clip(1 - offset / reach, 0, 1).prod(1)
    weights = sparse.csr_matrix((area, (rows, columns)), shape=(len(spots), len(centres)))
    total = np.asarray(weights.sum(1)).ravel()
    expected = max(1.0, (side / stride) ** 2)  # overlapping tiles cover the square more than once
    scaled = sparse.diags(1 / np.maximum(total, 1e-12)) @ weights
    return sparse.csr_matrix(scaled), np.minimum(total / expected, 1.0)


def tile_mask(
    centres: NDArray[np.float64], stride: float, size: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return a mask (h, w) of the tiles, one pixel per stride, over an image of `size`."""
    shape = (int(np.ceil(size[1] / stride)) + 1, int(np.ceil(size[0] / stride)) + 1)
    mask = np.zeros(shape, bool)
    columns, rows = np.floor(centres / stride).astype(int).T
    mask[np.clip(rows, 0, shape[0] - 1), np.clip(columns, 0, shape[1] - 1)] = True
    return mask
