"""The noise ceiling on counts whose truth is known."""

import numpy as np
from scipy import sparse

from histospace_core.evaluation import noise_ceiling, per_gene_pearson


def test_ceiling_meets_the_correlation_of_the_counts_with_their_truth() -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(4, 1, (400, 60)) * np.geomspace(0.2, 20, 60)
    rates *= 2000 / rates.sum(1, keepdims=True)
    counts = rng.poisson(rates)
    truth = np.log10(1 + 1e4 * rates / rates.sum(1, keepdims=True))
    measured = np.log10(1 + 1e4 * counts / counts.sum(1, keepdims=True))
    reachable = per_gene_pearson(measured, truth)
    ceiling = noise_ceiling(sparse.csr_matrix(counts), np.arange(60))
    assert abs(np.nanmean(ceiling) - reachable.mean()) < 0.05
    assert ceiling[-1] > ceiling[0]


def test_pure_noise_has_hardly_any_ceiling() -> None:
    counts = np.random.default_rng(0).poisson(3.0, (500, 40))
    assert np.nanmean(noise_ceiling(sparse.csr_matrix(counts), np.arange(40))) < 0.25
