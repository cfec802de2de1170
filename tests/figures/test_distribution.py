import numpy as np
import pytest

from histospace_core.figures.distribution import distribution


def test_unequal_groups_are_shown_as_shares_on_the_same_bins():
    values = np.r_[np.zeros(900), np.ones(100), np.nan].astype(np.float32)
    inside = values == 1
    figure = distribution(values, inside, label="g", unit="u")
    outside, selected = figure.data
    assert (outside.name, selected.name) == ("outside", "inside")
    assert outside.y.sum() == pytest.approx(1)
    assert selected.y.sum() == pytest.approx(1)
    np.testing.assert_array_equal(outside.x, selected.x)


def test_without_data_there_is_no_bar():
    nothing = np.full(3, np.nan, np.float32)
    empty = distribution(nothing, np.zeros(3, bool), label="g", unit="u")
    assert not any(bars.y.sum() for bars in empty.data)
