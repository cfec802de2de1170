"""What a rate gives when it is counted."""

import numpy as np
import pytest

from histospace_core.expression import normalise
from histospace_core.uncertainty import Counting, is_supported, typical_depths


@pytest.mark.parametrize("unit", ["log10_cp10k", "log1p_cp10k", "cp10k"])
def test_the_expected_value_is_the_mean_of_many_counts(unit: str) -> None:
    rng = np.random.default_rng(0)
    depths = np.array([400.0, 1_500.0, 9_000.0])
    counting = Counting(unit, depths)
    for log_rate in (-0.5, 0.5, 1.5, 2.5):
        drawn = rng.poisson(depths * 10**log_rate / 1e4, (40_000, 3)).astype(float)
        mean = counting.measured(drawn, np.broadcast_to(depths, drawn.shape)).mean()
        assert counting.expected(np.array(log_rate)) == pytest.approx(mean, rel=0.02)


def test_the_rate_of_an_expected_value_is_found_again() -> None:
    counting = Counting("log10_cp10k", np.array([650.0, 7_000.0]))
    rates = np.linspace(-1, 3, 41)
    np.testing.assert_allclose(counting.log_rate(counting.expected(rates)), rates, atol=5e-3)
    # noise makes the logarithm of a count too low
    assert (counting.expected(rates) <= counting.value(rates) + 1e-6).all()


def test_measured_counts_are_normalised_as_everywhere() -> None:
    counts = np.array([[3.0, 0.0, 7.0], [1.0, 1.0, 18.0]])
    own = Counting("log10_cp10k", np.array([10.0])).measured(counts, counts.sum(1)[:, None])
    np.testing.assert_allclose(own, normalise(counts, "log10_cp10k"), rtol=1e-6)


def test_units_that_depend_on_depth_have_no_intervals() -> None:
    assert is_supported("log10_cp10k")
    assert not is_supported("log1p")
    assert not is_supported("raw")


def test_each_section_has_the_same_weight_in_typical_depths() -> None:
    few, many = np.full(10, 100.0), np.full(1_000, 300.0)
    np.testing.assert_allclose(typical_depths([few, many, np.zeros(3)]), 200.0)
