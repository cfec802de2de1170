"""Agreement of domains with annotations, and the control that a smooth map does not beat."""

import numpy as np
import pytest
from builders.held_out import lattice, smooth_maps

from histospace_core.characterise import agreement
from histospace_core.errors import MeasurementError

SIDE = 20
CENTRES = lattice(SIDE)
X = CENTRES[:, 0] / CENTRES[:, 0].max()


def test_the_same_map_agrees_and_its_control_does_not() -> None:
    patch = smooth_maps(np.random.default_rng(0), 1, SIDE, 2.0)[:, 0] > 0.5
    names = np.where(patch, "tumour", "stroma")
    found = agreement(patch.astype(int), names, CENTRES)
    assert found["ari"] == 1
    assert found["auroc"] == {"stroma": 1.0, "tumour": 1.0}
    assert found["ari_shuffled_mean"] < 0.2
    assert found["p_value"] < 0.05
    assert abs(found["auroc_shuffled_mean"]["tumour"] - 0.5) < 0.15


def test_independent_maps_seldom_beat_the_control() -> None:
    p = []
    for seed in range(40):
        maps = smooth_maps(np.random.default_rng(seed), 2, SIDE, 1.0)
        names = np.where(maps[:, 0] > 0, "a", "b")
        domains = (maps[:, 1] > 0).astype(int)
        p.append(agreement(domains, names, CENTRES, seed=seed, n_placements=59)["p_value"])
    assert (np.array(p) < 0.05).mean() <= 0.125
    assert np.mean(p) > 0.35


def test_unlabelled_tiles_take_no_part_and_tiny_domains_flatter_the_control_too() -> None:
    domains = np.arange(SIDE**2)
    domains[:10] = -1
    names = np.where(X > 0.5, "a", "b").astype(object)
    names[10:30] = ""
    found = agreement(domains, names, CENTRES, n_placements=19)
    assert found["n_tiles"] == SIDE**2 - 30
    assert found["auroc"]["a"] == 1
    assert found["auroc_shuffled_mean"]["a"] > 0.9


def test_one_class_is_said() -> None:
    with pytest.raises(MeasurementError, match="1 class"):
        agreement(np.zeros(SIDE**2, int), np.full(SIDE**2, "a"), CENTRES)
