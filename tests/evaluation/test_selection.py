import numpy as np
import pandas as pd
import pytest

from histospace_core.evaluation.selection import selection_statistics


def test_groups_are_described_apart_and_missing_values_left_out():
    rng = np.random.default_rng(0)
    values = rng.normal(size=100).astype(np.float32)
    inside = np.arange(100) < 30
    values[[5, 50]] = np.nan
    table = selection_statistics(values, inside)
    series = pd.Series(values.astype(float))
    for name, members in (("inside", inside), ("outside", ~inside)):
        group = series[members].dropna()
        assert table.loc[name, "tiles"] == len(group)
        assert table.loc[name, "mean"] == pytest.approx(group.mean())
        assert table.loc[name, "median"] == pytest.approx(group.median())
        assert table.loc[name, "sd"] == pytest.approx(group.std())


@pytest.mark.parametrize("inside", [np.zeros(4, bool), np.ones(4, bool)])
def test_a_group_may_be_empty(inside):
    table = selection_statistics(np.arange(4, dtype=np.float32), inside)
    assert sorted(table["tiles"]) == [0, 4]


def test_a_single_tile_has_no_spread():
    table = selection_statistics(np.arange(4, dtype=np.float32), np.arange(4) == 2)
    assert np.isnan(table.loc["inside", "sd"])
