"""Spatial statistics against values by hand, definitions, and maps whose answer is known."""

import numpy as np
import pytest
from builders.held_out import lattice, smooth_maps

from histospace_core.characterise import (
    local_moran,
    neighbourhood_enrichment,
    spatial_coexpression,
)
from histospace_core.evaluation import morans_i

SIDE = 20
CENTRES = lattice(SIDE)
X, Y = (CENTRES / CENTRES.max()).T


def test_local_moran_finds_the_patch_and_only_the_patch() -> None:
    rng = np.random.default_rng(0)
    patch = (X - 0.3) ** 2 + (Y - 0.3) ** 2 < 0.02
    values = rng.normal(0, 0.3, len(X)) + 3 * patch
    found = local_moran(values, CENTRES)
    assert (found["kind"][patch] == "high").mean() > 0.6
    far = (X - 0.3) ** 2 + (Y - 0.3) ** 2 > 0.06
    assert (found["kind"][far] == "high").mean() < 0.02


def test_local_moran_calls_little_in_noise_and_names_an_outlier() -> None:
    values = np.random.default_rng(1).normal(size=len(X))
    assert (local_moran(values, CENTRES)["kind"] != "").mean() < 0.05
    flat = np.where(X > 0.6, -1.0, 1.0)
    flat[np.argmin((X - 0.8) ** 2 + (Y - 0.5) ** 2)] = 3.0
    found = local_moran(flat, CENTRES, n_permutations=9999)
    assert (found["kind"] == "high outlier").sum() >= 1


def test_local_moran_by_hand_and_without_values() -> None:
    line = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]])
    found = local_moran(np.array([0.0, 1, 2, 3]), line)
    z = (np.arange(4) - 1.5) / np.arange(4).std()
    lag = [z[1], (z[0] + z[2]) / 2, (z[1] + z[3]) / 2, z[2]]
    np.testing.assert_allclose(found["local_i"], z * lag)
    gap = local_moran(np.array([0.0, 1, np.nan, 3]), line)
    assert np.isnan(gap["local_i"][2])
    assert gap["kind"][2] == ""
    assert local_moran(np.ones(4), line)["local_i"].isna().all()


def test_coexpression_has_morans_i_on_its_diagonal_and_sees_shared_maps() -> None:
    rng = np.random.default_rng(0)
    maps = smooth_maps(rng, 3, SIDE, 2.0)
    values = np.column_stack([maps[:, 0], maps[:, 0] + 0.2 * rng.normal(size=len(X)), -maps[:, 0]])
    values = np.column_stack([values, rng.normal(size=len(X)), np.ones(len(X))])
    found = spatial_coexpression(values, CENTRES)
    np.testing.assert_allclose(found, found.T, equal_nan=True)
    assert found[0, 1] > 0.6
    assert found[0, 2] == pytest.approx(-found[0, 0])
    assert abs(found[0, 3]) < 0.15
    assert np.isnan(found[4]).all()
    expected = morans_i(values[:, :4], CENTRES, n_neighbours=8)
    np.testing.assert_allclose(np.diag(found)[:4], expected, atol=0.08)


def test_enrichment_sees_a_rim_beside_its_core_and_nothing_between_strangers() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros(len(X), dtype=int)
    for x, y in rng.uniform(0.15, 0.85, (4, 2)):
        reach = np.hypot(X - x, Y - y)
        labels[(reach < 0.12) & (labels != 2)] = 1
        labels[reach < 0.06] = 2
    found = neighbourhood_enrichment(labels, CENTRES).set_index(["domain", "other"])
    assert found.loc[(1, 2), "ratio"] > 1.5
    assert found.loc[(1, 2), "q_value"] < 0.05
    assert found.loc[(0, 2), "ratio"] < 0.5
    assert found.loc[(1, 2), "pairs"] > 0


def test_enrichment_of_independent_maps_is_seldom_called() -> None:
    called = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        one, two = (smooth_maps(rng, 1, SIDE, 1.5)[:, 0] for _ in range(2))
        labels = np.where(one > 0.8, 1, np.where(two > 0.8, 2, 0))
        found = neighbourhood_enrichment(labels, CENTRES, seed=seed)
        called.append((found["q_value"] < 0.05).mean())
    assert np.mean(called) <= 0.2
