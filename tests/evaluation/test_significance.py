"""The spatial test keeps its level on smooth maps, where the naive one does not."""

import numpy as np
import pytest
from scipy import ndimage, stats

from histospace_core.evaluation import per_gene_pearson, q_values, spatial_p_values
from histospace_core.evaluation.significance import effective_sample_size

SIDE = 15


def _positions() -> np.ndarray:
    return np.argwhere(np.ones((SIDE, SIDE))).astype(float)


def _smooth_maps(rng: np.random.Generator, n_genes: int) -> np.ndarray:
    maps = [
        ndimage.gaussian_filter(rng.normal(size=(SIDE * 2, SIDE * 2)), 2.0)[:SIDE, :SIDE].ravel()
        for _ in range(n_genes)
    ]
    return np.array(maps).T


def test_unrelated_smooth_maps_are_rarely_called_significant() -> None:
    rng = np.random.default_rng(0)
    x, y = _smooth_maps(rng, 400), _smooth_maps(rng, 400)
    r = per_gene_pearson(x, y)
    n = SIDE**2
    naive = 2 * stats.t.sf(np.abs(r) * np.sqrt((n - 2) / (1 - r**2)), n - 2)
    spatial = spatial_p_values(x, y, _positions())
    assert (naive < 0.05).mean() > 0.3
    assert (spatial < 0.05).mean() < 0.09


def test_a_real_relation_is_found() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(SIDE**2, 50))
    y = x + rng.normal(size=x.shape)
    assert (spatial_p_values(x, y, _positions()) < 0.001).all()


def test_independent_spots_count_fully() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, SIDE**2, 200))
    assert np.median(effective_sample_size(x, y, _positions())) > 0.8 * SIDE**2


def test_q_values_are_benjamini_hochberg_and_keep_nan() -> None:
    q = q_values(np.array([0.01, np.nan, 0.02, 0.5]))
    assert np.isnan(q[1])
    assert q[[0, 2, 3]] == pytest.approx([0.03, 0.03, 0.5])
