"""A region against the rest: the figures by hand, and noise that the naive test calls."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from builders.held_out import lattice, smooth_maps
from scipy import stats

from histospace_core.characterise import Region, against_rest
from histospace_core.characterise.against_rest import inside_and_outside
from histospace_core.errors import RegionError

SIDE = 24
CENTRES = lattice(SIDE)
LOW, HIGH = CENTRES.min(0), CENTRES.max(0)
MIDDLE = (LOW + HIGH) / 2


def table(values: np.ndarray, reliable: np.ndarray | bool = True) -> AnnData:
    made = AnnData(values.astype(np.float32), obsm={"spatial": CENTRES})
    made.var["reliable"] = np.broadcast_to(reliable, values.shape[1])
    made.var["held_out_pearson"] = np.arange(values.shape[1]) / 10
    return made


def square(half: float) -> np.ndarray:
    corners = MIDDLE + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return Region.drawn("core", corners).contains(CENTRES)


def test_difference_and_naive_p_are_those_of_the_tiles() -> None:
    rng = np.random.default_rng(0)
    values, inside = rng.normal(size=(SIDE**2, 12)), square(1200)
    values[:, 3] += 1.5 * inside
    values[5, :] = np.nan  # a tile that could not be read
    found = against_rest(table(values, np.arange(12) < 8), inside)
    assert (found.n_inside, found.n_outside) == (inside.sum(), SIDE**2 - 1 - inside.sum())
    assert (found.n_tested, found.n_genes) == (8, 12)
    first = found.table.iloc[0]
    assert (first["gene"], first["held_out_pearson"]) == ("3", pytest.approx(0.3))
    known = np.isfinite(values[:, 3])
    groups = values[inside & known, 3], values[~inside & known, 3]
    assert first["difference"] == pytest.approx(groups[0].mean() - groups[1].mean(), abs=1e-4)
    assert first["naive_p_value"] == pytest.approx(stats.ttest_ind(*groups).pvalue, rel=0.1)
    assert first["q_value"] < 0.01


def test_on_smooth_noise_the_naive_p_calls_what_q_does_not() -> None:
    called, naive = [], []
    for seed in range(3):
        values = smooth_maps(np.random.default_rng(seed), 60, SIDE, 2.0)
        found = against_rest(table(values), square(1500)).table
        called.append((found["q_value"] < 0.1).mean())
        naive.append((found["naive_p_value"] < 0.01).mean())
    assert np.mean(called) <= 0.1
    assert np.mean(naive) > 0.3


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (square(200), r"This region contains \d predicted tiles, .* larger"),
        (np.zeros(SIDE**2, bool), "This region contains 0 predicted tiles,"),
        (np.arange(SIDE**2) >= 3, "This region leaves 3 predicted tiles outside, .* smaller"),
    ],
)
def test_a_region_with_too_few_tiles_on_a_side_says_so(inside: np.ndarray, said: str) -> None:
    with pytest.raises(RegionError, match=said):
        against_rest(table(np.random.default_rng(0).normal(size=(SIDE**2, 2))), inside)


def test_groups_are_described_apart_and_missing_values_left_out():
    rng = np.random.default_rng(0)
    values = rng.normal(size=100).astype(np.float32)
    inside = np.arange(100) < 30
    values[[5, 50]] = np.nan
    table = inside_and_outside(values, inside)
    series = pd.Series(values.astype(float))
    for name, members in (("inside", inside), ("outside", ~inside)):
        group = series[members].dropna()
        assert table.loc[name, "tiles"] == len(group)
        assert table.loc[name, "mean"] == pytest.approx(group.mean())
        assert table.loc[name, "median"] == pytest.approx(group.median())
        assert table.loc[name, "sd"] == pytest.approx(group.std())


@pytest.mark.parametrize("inside", [np.zeros(4, bool), np.ones(4, bool)])
def test_a_group_may_be_empty(inside):
    table = inside_and_outside(np.arange(4, dtype=np.float32), inside)
    assert sorted(table["tiles"]) == [0, 4]


def test_a_single_tile_has_no_spread():
    table = inside_and_outside(np.arange(4, dtype=np.float32), np.arange(4) == 2)
    assert np.isnan(table.loc["inside", "sd"])
