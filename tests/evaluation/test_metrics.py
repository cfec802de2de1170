"""Metrics against scipy, and their policies for constant genes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from histospace_core.evaluation import (
    bootstrap_mean_pearson,
    bootstrap_pearson,
    mse_ratio_per_gene,
    mse_ratio_to_mean,
    per_gene_pearson,
    per_gene_spearman,
    per_spot_pearson,
    rmse,
    variance_ratio,
)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(3, 40), st.floats(1e-3, 1e3))
def test_pearson_equals_scipy(seed: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32) * np.float32(scale)
    y = (x + rng.normal(size=(n, 4))).astype(np.float32)
    expected = [stats.pearsonr(a, b).statistic for a, b in zip(x.T, y.T, strict=True)]
    np.testing.assert_allclose(per_gene_pearson(x, y), expected, atol=1e-4)
    np.testing.assert_allclose(per_spot_pearson(x.T, y.T), expected, atol=1e-4)


def test_constant_measurement_cannot_be_scored_and_constant_prediction_has_no_skill() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 2)).astype(np.float32)
    x[:, 0] = 1.5
    y = np.full_like(x, 0.731)
    r = per_gene_pearson(x, y)
    assert np.isnan(r[0])
    assert r[1] == 0


def test_the_mean_profile_has_ratio_one_and_the_truth_zero() -> None:
    x = np.random.default_rng(0).normal(size=(30, 5))
    mean = np.linspace(0, 1, 5)
    assert mse_ratio_to_mean(x, np.broadcast_to(mean, x.shape), mean) == pytest.approx(1)
    assert mse_ratio_to_mean(x, x, mean) == 0
    np.testing.assert_allclose(mse_ratio_per_gene(x, np.broadcast_to(mean, x.shape), mean), 1)


def test_the_mean_profile_scores_high_across_genes_without_any_image() -> None:
    """Why per-spot correlation is never shown alone."""
    rng = np.random.default_rng(0)
    profile = rng.gamma(2, 1, 300)
    x = profile + rng.normal(scale=0.5, size=(50, 300))
    flat = np.broadcast_to(profile, x.shape)
    assert per_spot_pearson(x, flat).mean() > 0.9
    assert (per_gene_pearson(x, flat) == 0).all()


def test_bootstrap_interval_matches_plain_resampling() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = x * [1.0, 0.5, 0.0] + rng.normal(size=(60, 3))
    interval = bootstrap_pearson([(x, y)], n_resamples=2000)
    draws = rng.integers(0, 60, (2000, 60))
    plain = np.array([per_gene_pearson(x[i], y[i]) for i in draws])
    np.testing.assert_allclose(interval.low, np.quantile(plain, 0.025, axis=0), atol=0.04)
    np.testing.assert_allclose(interval.high, np.quantile(plain, 0.975, axis=0), atol=0.04)
    assert interval.low[0] > 0
    assert interval.low[2] < 0 < interval.high[2]


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(4, 40))
def test_spearman_equals_scipy_with_ties(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.poisson(2.0, (n, 3)).astype(float), rng.normal(size=(n, 3))
    x[0] += 9
    expected = [stats.spearmanr(a, b).statistic for a, b in zip(x.T, y.T, strict=True)]
    np.testing.assert_allclose(per_gene_spearman(x, y), expected, atol=1e-9)


def test_spearman_knows_a_flat_prediction_from_its_rounding() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 2)).astype(np.float32)
    y = np.full_like(x, 0.7) + rng.choice([0, 6e-8], x.shape).astype(np.float32)
    assert (per_gene_spearman(x, y) == 0).all()
    x[:, 1] = 3
    assert np.isnan(per_gene_spearman(x, y)[1])


def test_rmse_and_variance_ratio_by_hand() -> None:
    x = np.array([[0.0, 1], [2, 1]])
    y = np.array([[1.0, 0], [2, 3]])
    assert rmse(x, y) == pytest.approx(np.sqrt((1 + 0 + 1 + 4) / 4))
    ratio = variance_ratio(x, y)
    assert ratio[0] == pytest.approx(0.25)
    assert np.isnan(ratio[1])


def test_interval_of_the_mean_keeps_what_genes_share() -> None:
    """Copies of one gene tell no more than the gene: the interval must not shrink."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 1))
    y = x + rng.normal(size=x.shape)
    one = bootstrap_mean_pearson(x, y)
    many = bootstrap_mean_pearson(np.tile(x, 50), np.tile(y, 50))
    assert many == pytest.approx(one)
    assert one[0] < per_gene_pearson(x, y)[0] < one[1]
