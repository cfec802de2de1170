"""Intervals of counts contain what they promise, and no more."""

import numpy as np
import pytest
from scipy.stats import t as student

from histospace_core.uncertainty.count_interval import (
    count_intervals,
    offset_class,
    offset_half_width,
)

DF = 9.0


def drawn(
    rng: np.random.Generator, log_mean: np.ndarray, level_sd: float, spot_sd: float
) -> np.ndarray:
    """Counts from the law that the intervals are of."""
    level = level_sd * student.rvs(DF, size=log_mean.shape, random_state=rng)
    spot = spot_sd * rng.normal(size=log_mean.shape) - spot_sd**2 * np.log(10) / 2
    return rng.poisson(10 ** (log_mean + level + spot)).astype(float)


@pytest.mark.parametrize(("level_sd", "spot_sd"), [(0.1, 0.0), (0.2, 0.1), (0.3, 0.3)])
def test_counts_are_covered_as_promised(level_sd: float, spot_sd: float) -> None:
    rng = np.random.default_rng(0)
    log_mean = rng.uniform(-1.5, 3, 60_000)
    counts = drawn(rng, log_mean, level_sd, spot_sd)
    (a,), (b,) = offset_class(np.array([level_sd]), np.array([spot_sd]))
    for p in (0.5, 0.9):
        low, high = count_intervals(log_mean, a, b, DF, p)
        inside = (counts >= low) & (counts <= high)
        few = log_mean < -0.5  # most are 0, so no interval has as little as a half
        assert inside[~few].mean() == pytest.approx(p, abs=0.02)
        assert inside[few].mean() >= p
        deep = log_mean > 2
        assert inside[deep].mean() == pytest.approx(p, abs=0.02)


def test_a_wider_interval_contains_a_narrower_one_and_uncertainty_widens_it() -> None:
    log_mean = np.linspace(-2, 4, 200)
    low, high = count_intervals(log_mean, 10, 5, DF, 0.9)
    less_low, less_high = count_intervals(log_mean, 10, 5, DF, 0.5)
    assert (low <= less_low + 1).all()
    assert (high >= less_high).all()
    certain_low, certain_high = count_intervals(log_mean, 0, 0, DF, 0.9)
    assert (high - low >= certain_high - certain_low).all()


def test_where_nothing_is_expected_the_interval_is_zero() -> None:
    low, high = count_intervals(np.array([-9.0, np.nan]), 5, 5, DF, 0.9)
    assert (low == 0).all()
    assert (high == 0).all()


def test_the_half_width_is_the_quantile_of_the_offset() -> None:
    (a,), (b,) = offset_class(np.array([0.3]), np.array([0.0]))
    assert offset_half_width(a, b, DF, 0.9) == pytest.approx(0.3 * student.ppf(0.95, DF), rel=0.03)
    (a,), (b,) = offset_class(np.array([0.0]), np.array([0.3]))
    assert offset_half_width(a, b, DF, 0.9) == pytest.approx(0.3 * 1.645, rel=0.03)
