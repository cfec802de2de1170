"""The spots of a section as a map: neighbours, autocorrelation, smoothing, rasters."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree
from skimage.metrics import structural_similarity

from histospace_core.evaluation.metrics import Matrix

REACH = 1.6
"""Neighbours lie within this many pitches. On a square lattice the diagonal is 1.41 pitches and
the second ring 2; on a hexagonal lattice the second ring is 1.73. The rest is tolerance for spots
moved by hand."""
_WINDOW = 7
"""Side of the SSIM window in spots, as in Wang et al. (2004), without Gaussian weights."""


def pitch(centres: NDArray[np.floating]) -> float:
    """Return the distance of neighbouring spots: the median distance to the nearest one, px."""
    if len(centres) < 2:
        return float("nan")
    # the median, since a spot beside gaps has no neighbour at one pitch
    return float(np.median(cKDTree(centres).query(centres, k=2)[0][:, 1]))


def nearest(centres: NDArray[np.floating], k: int = 6) -> NDArray[np.intp]:
    """Return the k nearest spots of each, (spots, k), fewer columns if there are fewer spots.

    They do not depend on the pitch, so spots moved by hand do no harm.
    """
    n = len(centres)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((n, 0), dtype=np.intp)
    near = cKDTree(centres).query(centres, k=k + 1)[1]
    # a spot is its own first neighbour unless two spots coincide, so drop it by index
    return np.array([row[row != i][:k] for i, row in enumerate(near)], dtype=np.intp)


def morans_i(
    values: Matrix, centres: NDArray[np.floating], *, n_neighbours: int = 6
) -> NDArray[np.float64]:
    """Return Moran's I of each gene over the spots of one section.

    I = n / S0 * sum_ij w_ij z_i z_j / sum_i z_i^2 (Moran 1950, Biometrika 37:17), with weights 1/k
    for the k `nearest` spots and 0 elsewhere, so that S0 = n.

    Parameters
    ----------
    values : (spots, genes)
    centres : (spots, 2)

    Returns
    -------
    (genes,), NaN if a gene is constant or the section has fewer than three spots.
    """
    n = len(centres)
    if n < 3:
        return np.full(values.shape[1], np.nan)
    others = nearest(centres, n_neighbours)
    k = others.shape[1]
    weights = sparse.csr_array(
        (np.full(n * k, 1 / k), (np.repeat(np.arange(n), k), others.ravel())), shape=(n, n)
    )
    z = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    constant = np.ptp(values, axis=0) == 0
    power = np.where(constant, 1.0, (z**2).sum(0))  # avoids 0 / 0
    return np.where(constant, np.nan, (z * (weights @ z)).sum(0) / power)


def smooth_over_neighbours(
    values: Matrix, centres: NDArray[np.floating], k: int = 8
) -> NDArray[np.float32]:
    """Average each spot with its neighbours on the lattice, with equal weights.

    Neighbours are the `k` nearest spots within `REACH` pitches: eight on a square lattice, six on a
    hexagonal one, fewer at the border. ST-Net (He et al. 2020, doi 10.1038/s41551-020-0578-x),
    TRIPLEX (Chung et al. 2024, CVPR) and others score against targets smoothed in this way. It
    removes noise from the measurement and thus raises every score: never compare a smoothed score
    with a raw one.

    Parameters
    ----------
    values : (spots, genes)
    centres : (spots, 2)
    """
    n = len(centres)
    k = min(k, n - 1)
    if k < 1:
        return values.astype(np.float32)
    distance, near = cKDTree(centres).query(
        centres, k=k + 1, distance_upper_bound=REACH * pitch(centres)
    )
    found = np.isfinite(distance)  # cKDTree sets missing neighbours to infinity
    rows = np.repeat(np.arange(n), found.sum(1))
    share = np.repeat(1 / found.sum(1), found.sum(1))
    weights = sparse.csr_array((share, (rows, near[found])), shape=(n, n))
    return np.asarray(weights @ values.astype(np.float64), dtype=np.float32)


def raster(centres: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Lay a grid with cells of one pitch over the section and find each cell's nearest spot.

    Nearest-neighbour interpolation works on square and hexagonal lattices and with spots moved by
    hand.

    Returns
    -------
    nearest : (rows, columns)
        Index of the nearest spot to the centre of each cell.
    covered : (rows, columns)
        Cells with a spot within 0.75 pitch of their centre (half a cell's diagonal is 0.71).
    """
    step = pitch(centres)
    if not step > 0:  # also true of NaN, the pitch of a single spot
        return np.zeros((1, 1), np.intp), np.ones((1, 1), bool)
    low, high = centres.min(0), centres.max(0)
    x, y = (low[i] + step * np.arange(round((high[i] - low[i]) / step) + 1) for i in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    distance, nearest = cKDTree(centres).query(grid)
    return nearest.astype(np.intp), distance <= 0.75 * step


def map_ssim(
    measured: Matrix, predicted: Matrix, centres: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the structural similarity of each gene's measured and predicted map, (genes,).

    Both maps are drawn on the grid of `raster`. A cell off the tissue repeats the nearest spot, so
    that windows at the border contain no false edge, and is left out of the mean. The window is
    7 x 7 spots, or the largest odd one that fits a smaller section; the constants are those of
    Wang et al. (2004, IEEE TIP 13:600); the data range is the measured range of the gene.

    Returns
    -------
    (genes,), NaN if a gene is constant in the measurement or the grid is smaller than 3 x 3.
    """
    nearest, covered = raster(centres)
    side = min(nearest.shape)
    scores = np.full(measured.shape[1], np.nan)
    if side < 3:
        return scores
    window = min(_WINDOW, side - (side + 1) % 2)  # structural_similarity takes only odd windows
    for gene in np.flatnonzero(np.ptp(measured, axis=0) > 0):
        x = measured[nearest, gene].astype(np.float64)
        y = predicted[nearest, gene].astype(np.float64)
        _, similarity = structural_similarity(
            x, y, win_size=window, data_range=float(np.ptp(measured[:, gene])), full=True
        )
        scores[gene] = similarity[covered].mean()
    return scores
