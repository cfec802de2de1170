"""Average predicted tiles at the positions of measured spots."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from histospace_core.inference.prediction import Prediction

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


def map_at(
    prediction: Prediction, genes: pd.Index, spots: NDArray[np.float64], stride: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the map's expression (spots, genes) at spots, and which spots are covered.

    Parameters
    ----------
    spots
        Centres (m, 2), level-0 px.
    stride
        Distance between tile centres, level-0 px.
    """
    # a tile that failed quality control may be NaN
    good = np.flatnonzero((prediction.obs["qc"] == "ok").to_numpy())
    weights, cover = tile_weights(prediction.centres[good], spots, prediction.tile_level0, stride)
    used = np.unique(weights.indices)  # only tiles that touch a spot are read from the store
    columns = prediction.var.index.get_indexer(genes)
    values = prediction.matrix(good[used])[:, columns]
    estimate = np.asarray(weights[:, used] @ values, dtype=np.float32)
    return estimate, cover >= MIN_COVER


def tile_mask(
    centres: NDArray[np.float64], stride: float, size: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return a mask (h, w) of the tiles, one pixel per stride, over an image of `size`."""
    shape = (int(np.ceil(size[1] / stride)) + 1, int(np.ceil(size[0] / stride)) + 1)
    mask = np.zeros(shape, bool)
    columns, rows = np.floor(centres / stride).astype(int).T
    mask[np.clip(rows, 0, shape[0] - 1), np.clip(columns, 0, shape[1] - 1)] = True
    return mask
