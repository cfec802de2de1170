"""Scores of predicted against measured expression over the spots of one section.

Two rules hold for all scores. A gene that is constant in the measurement cannot be scored: its
score is NaN ("not evaluable"), never 0. If only the prediction is constant, the correlation is 0.
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
    """Return the correlation of each gene over the spots, (genes,), of (spots, genes) arrays."""
    return _columns_pearson(measured, predicted)


def per_gene_spearman(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    """Return the rank correlation of each gene over the spots, (genes,); ties share a mean rank."""
    rank_x, rank_y = (stats.rankdata(m, axis=0) for m in (measured, predicted))
    rho = _columns_pearson(rank_x, rank_y)
    # a constant prediction may differ by rounding, which ranks would turn into noise
    return np.where(np.isfinite(rho) & _is_flat(predicted), 0.0, rho)


def per_spot_pearson(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    """Return the correlation of each spot over the genes, (spots,), of (spots, genes) arrays.

    This is the metric that most papers report. It is high even for the mean profile, which uses no
    image: report it only beside that baseline.
    """
    return _columns_pearson(measured.T, predicted.T)


def mse_ratio_to_mean(measured: Matrix, predicted: Matrix, mean_profile: Matrix) -> float:
    """Return the mean squared error divided by the mean profile's; below 1 is better than it."""
    baseline = float(np.mean((measured - mean_profile) ** 2))
    return float(np.mean((measured - predicted) ** 2)) / max(baseline, _TINY)


def mse_ratio_per_gene(
    measured: Matrix, predicted: Matrix, mean_profile: Matrix
) -> NDArray[np.float64]:
    """Return `mse_ratio_to_mean` of each gene, (genes,)."""
    baseline = ((measured - mean_profile) ** 2).mean(0)
    return ((measured - predicted) ** 2).mean(0) / np.maximum(baseline, _TINY)


def rmse(measured: Matrix, predicted: Matrix) -> float:
    """Return the root mean squared error over all spots and genes, in the unit of the expression.

    Its square divided by that of the mean profile is `mse_ratio_to_mean`.
    """
    return float(np.sqrt(np.mean((measured - predicted) ** 2)))


def variance_ratio(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    """Return predicted divided by measured variance over the spots, (genes,).

    It is NaN for a gene that is constant in the measurement. The best prediction of a gene has a
    ratio of r^2 (regression to the mean). A higher ratio exaggerates the contrast; a ratio near 0
    gives a flat map.
    """
    # exact, while rounding can give a constant gene a variance
    varies = np.ptp(measured, axis=0) > 0
    truth = np.where(varies, measured.var(0, dtype=np.float64), np.nan)
    return predicted.var(0, dtype=np.float64) / truth


def bootstrap_mean_pearson(
    measured: Matrix, predicted: Matrix, *, n_resamples: int = 500, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean over genes of the per-gene correlation.

    Spots of one section are resampled with all their genes, which preserves the noise that genes
    share. The interval is too narrow, because neighbouring spots are not independent.

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
    """Return the 95 % percentile interval of the per-gene correlation, averaged over sections.

    Spots are resampled within each section. Neighbouring spots are not independent, and patients
    differ, so the true uncertainty is larger.

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
    """Return correlations (resamples, genes) from weighted sums, without resampled matrices."""
    n = len(measured)
    # how often each spot is drawn with replacement, as a weight
    weights = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n
    x = measured - measured.mean(0)  # centred, or the subtractions below would cancel digits
    y = predicted - predicted.mean(0)
    mx, my = weights @ x, weights @ y
    cov = weights @ (x * y) - mx * my
    var = (weights @ x**2 - mx**2) * (weights @ y**2 - my**2)
    # a draw in which a gene is constant counts as r = 0
    return np.where(var > _TINY, cov / np.sqrt(np.maximum(var, _TINY)), 0.0)


def _columns_pearson(measured: Matrix, predicted: Matrix) -> NDArray[np.float64]:
    x = measured.astype(np.float64) - measured.mean(0, dtype=np.float64)
    y = predicted.astype(np.float64) - predicted.mean(0, dtype=np.float64)
    norm_x, norm_y = np.sqrt((x**2).sum(0)), np.sqrt((y**2).sum(0))
    r = (x * y).sum(0) / np.maximum(norm_x * norm_y, _TINY)
    # counts are constant exactly or not at all, a prediction only up to rounding
    return np.where(np.ptp(measured, axis=0) == 0, np.nan, np.where(_is_flat(predicted), 0.0, r))


def _is_flat(predicted: Matrix) -> NDArray[np.bool_]:
    """Find columns that are constant up to float32 rounding."""
    y = predicted.astype(np.float64) - predicted.mean(0, dtype=np.float64)
    size = np.maximum(np.abs(predicted).max(0), 1e-6)
    return np.sqrt((y**2).mean(0)) <= 1e-6 * size  # float32 resolves 1.2e-7 of a value
