import numpy as np
import pandas as pd
import pytest
from scipy import stats

from histospace_core.evaluation.selection import selection_statistics


def test_groups_are_described_apart_and_missing_values_left_out():
    rng = np.random.default_rng(0)
    values = rng.normal(size=100).astype(np.float32)
    inside = np.arange(100) < 30
    values[[5, 50]] = np.nan
    table, p = selection_statistics(values, inside)
    series = pd.Series(values.astype(float))
    for name, members in (("selected", inside), ("outside", ~inside)):
        group = series[members].dropna()
        assert table.loc[name, "n"] == len(group)
        assert table.loc[name, "mean"] == pytest.approx(group.mean())
        assert table.loc[name, "median"] == pytest.approx(group.median())
        assert table.loc[name, "sd"] == pytest.approx(group.std())
    expected = stats.mannwhitneyu(values[inside], values[~inside], nan_policy="omit").pvalue
    assert p == pytest.approx(expected)


@pytest.mark.parametrize("inside", [np.zeros(4, bool), np.ones(4, bool)])
def test_an_empty_group_has_no_p_value(inside):
    table, p = selection_statistics(np.arange(4, dtype=np.float32), inside)
    assert np.isnan(p)
    assert sorted(table["n"]) == [0, 4]


def test_a_single_tile_has_no_spread():
    table, _ = selection_statistics(np.arange(4, dtype=np.float32), np.arange(4) == 2)
    assert np.isnan(table.loc["selected", "sd"])
