"""Scores of predicted expression against measured expression, always over one section.

Two policies hold everywhere. A gene that is constant in the measurement cannot be scored: NaN,
"not evaluable", never 0. A gene that is predicted constant where the measurement varies has no
skill: correlation 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

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


def per_gene_spearman(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    """Rank correlation of each gene over the spots, ties at their mean rank: (genes,)."""
    rank_x, rank_y = (stats.rankdata(m, axis=0) for m in (measured, predicted))
    rho = _columns_pearson(rank_x, rank_y)
    # the ranks of what is constant but for rounding are noise
    return np.where(np.isfinite(rho) & _is_flat(predicted), 0.0, rho)


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


def rmse(measured: Matrix, predicted: Matrix) -> float:
    """Root of the mean squared error over all spots and genes, in the unit of the expression.

    Its square over that of the mean profile is `mse_ratio_to_mean`.
    """
    return float(np.sqrt(np.mean((measured - predicted) ** 2)))


def variance_ratio(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    """Variance over the spots, predicted over measured: (genes,), NaN where measured constant.

    The best prediction of a gene has a ratio of r^2 (regression to the mean); one above it is
    bolder than it has reason to be, a ratio near 0 paints a flat map.
    """
    varies = np.ptp(measured, axis=0) > 0
    truth = np.where(varies, measured.var(0, dtype=np.float64), np.nan)
    return predicted.var(0, dtype=np.float64) / truth


def bootstrap_mean_pearson(
    measured: Matrix, predicted: Matrix, *, n_resamples: int = 500, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of the mean over genes of the per-gene correlation.

    Spots of one section are resampled, whole with all their genes, so that the genes' common noise
    stays in. Too narrow, as `bootstrap_pearson` says, since spots are neighbours.

    Parameters
    ----------
    measured, predicted : (spots, genes)
        Genes that vary in the measurement.
    """
    rng = np.random.default_rng(seed)
    draws = _resampled(measured, predicted, n_resamples, rng).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


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
    return np.where(np.ptp(measured, axis=0) == 0, np.nan, np.where(_is_flat(predicted), 0.0, r))


def _is_flat(predicted: Matrix) -> NDArray[np.bool_]:
    """Columns that are constant but for the residue that float32 rounding leaves."""
    y = predicted.astype(np.float64) - predicted.mean(0, dtype=np.float64)
    size = np.maximum(np.abs(predicted).max(0), 1e-6)
    return np.sqrt((y**2).mean(0)) <= 1e-6 * size
