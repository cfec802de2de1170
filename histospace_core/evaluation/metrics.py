"""Scores of predicted expression against measured expression, always over one section.

Two policies hold everywhere. A gene that is constant in the measurement cannot be scored: NaN,
"not evaluable", never 0. A gene that is predicted constant where the measurement varies has no
skill: correlation 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating]
_TINY = 1e-12


@dataclass(frozen=True)
class Interval:
    """Lower and upper ends of a bootstrap interval, each of shape (genes,)."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def per_gene_pearson(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    """Correlate each gene over the spots: (spots, genes) twice to (genes,)."""
    return _columns_pearson(measured, predicted)


def per_spot_pearson(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    """Correlate each spot over the genes: (spots, genes) twice to (spots,).

    The field's headline metric. It is high for the mean profile already, which knows no image:
    report it only beside that baseline.
    """
    return _columns_pearson(measured.T, predicted.T)


def mse_ratio_to_mean(measured: Matrix, predicted: Matrix, mean_profile: Matrix) -> float:
    """Mean squared error over that of the training-mean profile (genes,); below 1 beats it."""
    baseline = float(np.mean((measured - mean_profile) ** 2))
    return float(np.mean((measured - predicted) ** 2)) / max(baseline, _TINY)


def mse_ratio_per_gene(
    measured: Matrix, predicted: Matrix, mean_profile: Matrix
) -> NDArray[np.float64]:
    """`mse_ratio_to_mean` gene by gene, (genes,)."""
    baseline = ((measured - mean_profile) ** 2).mean(0)
    return ((measured - predicted) ** 2).mean(0) / np.maximum(baseline, _TINY)


def bootstrap_pearson(
    sections: list[tuple[Matrix, Matrix]], *, n_resamples: int = 1000, seed: int = 0
) -> Interval:
    """95 % percentile interval of the per-gene correlation, averaged over sections.

    Spots are resampled within each section. They are neighbours and not independent, so the
    interval is a lower bound of the true uncertainty, which also lies between patients.

    Parameters
    ----------
    sections
        (measured, predicted) of each section, each (spots, genes) with the same genes.
    """
    rng = np.random.default_rng(seed)
    draws = np.mean([_resampled(m, p, n_resamples, rng) for m, p in sections], axis=0)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return Interval(low, high)


def _resampled(
    measured: Matrix, predicted: Matrix, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Correlations (resamples, genes) from weighted sums: no resampled matrix is ever built."""
    n = len(measured)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n
    x = measured - measured.mean(0)
    y = predicted - predicted.mean(0)
    mx, my = weights @ x, weights @ y
    cov = weights @ (x * y) - mx * my
    var = (weights @ x**2 - mx**2) * (weights @ y**2 - my**2)
    return np.where(var > _TINY, cov / np.sqrt(np.maximum(var, _TINY)), 0.0)


def _columns_pearson(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    x = measured.astype(np.float64) - measured.mean(0, dtype=np.float64)
    y = predicted.astype(np.float64) - predicted.mean(0, dtype=np.float64)
    norm_x, norm_y = np.sqrt((x**2).sum(0)), np.sqrt((y**2).sum(0))
    r = (x * y).sum(0) / np.maximum(norm_x * norm_y, _TINY)
    # float32 rounding leaves a residue where a column is constant
    flat_y = norm_y <= 1e-6 * np.sqrt(len(y)) * np.maximum(np.abs(predicted).max(0), 1e-6)
    return np.where(np.ptp(measured, axis=0) == 0, np.nan, np.where(flat_y, 0.0, r))
