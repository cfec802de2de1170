"""Significance of the correlation of two maps that are both spatially autocorrelated."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from histospace_core.evaluation.metrics import Matrix, per_gene_pearson


def spatial_p_values(
    measured: Matrix, predicted: Matrix, positions: NDArray[np.floating], *, n_classes: int = 12
) -> NDArray[np.float64]:
    """Return two-sided p-values of each gene's correlation, corrected for spatial autocorrelation.

    Neighbouring spots are alike, so a naive test assumes too many degrees of freedom.
    The effective sample size follows Clifford, Richardson & Hemon (1989, Biometrics 45:123): the
    variance of r is estimated from the autocovariances of both maps by distance class, and r is
    tested by Student's t with that many spots.

    Parameters
    ----------
    measured, predicted : (spots, genes)
    positions : (spots, 2)

    Returns
    -------
    (genes,), NaN if the correlation is NaN.
    """
    r = per_gene_pearson(measured, predicted)
    n_effective = effective_sample_size(measured, predicted, positions, n_classes=n_classes)
    dof = np.maximum(n_effective - 2, 1.0)  # maps that are smooth throughout leave 0
    t = r * np.sqrt(dof / np.maximum(1 - r**2, 1e-12))
    return 2 * stats.t.sf(np.abs(t), dof)


def effective_sample_size(
    measured: Matrix, predicted: Matrix, positions: NDArray[np.floating], *, n_classes: int = 12
) -> NDArray[np.float64]:
    """Return the effective number of independent spots for the two maps of each gene, (genes,)."""
    n = len(positions)
    x = _standardise(measured)
    y = _standardise(predicted)
    distance = squareform(pdist(positions))
    upper = np.quantile(distance, np.linspace(0, 1, n_classes + 1))
    total = np.full(x.shape[1], float(n))  # distance class 0: each spot paired with itself
    for low, high in pairwise(upper):  # `> low` leaves out each spot paired with itself
        pairs = ((distance > low) & (distance <= high)).astype(np.float64)
        n_pairs = pairs.sum()
        if n_pairs:
            # autocovariance of x times that of y, summed over the pairs of the class
            total += (x * (pairs @ x)).sum(0) * (y * (pairs @ y)).sum(0) / n_pairs
    # the estimate can leave the range that 1 to n independent spots give
    variance = np.clip(total / n**2, 1 / n, 1.0)
    return 1 + 1 / variance  # with n independent spots, the variance of r is 1 / (n - 1)


def q_values(p_values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return Benjamini-Hochberg q-values over the genes that have a p-value; NaN stays NaN."""
    q = np.full(len(p_values), np.nan)
    known = np.isfinite(p_values)
    if known.any():
        q[known] = stats.false_discovery_control(p_values[known])
    return q


def _standardise(values: Matrix) -> NDArray[np.float64]:
    centred = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    return centred / np.maximum(centred.std(0), 1e-12)
