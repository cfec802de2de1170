"""How alike residuals of neighbouring spots are is found from counts alone."""

import numpy as np
import pytest
from builders.autocorrelated import smooth_section

from histospace_core.uncertainty.autocorrelation import (
    Autocorrelation,
    correlogram,
    fit_autocorrelation,
)


@pytest.mark.parametrize(("share", "range_um"), [(0.9, 600.0), (0.6, 300.0), (0.0, 300.0)])
def test_share_and_range_are_recovered(share: float, range_um: float) -> None:
    curves, variances = [], []
    for seed in range(3):
        section = smooth_section(seed, slope=0, share=share, range_um=range_um, n_genes=200)
        counts = section.counts.toarray().astype(float)
        expected = section.depths[:, None] * counts.sum(0) / section.depths.sum()
        curve, variance = correlogram([(counts - expected, expected)], section.xy_um)
        curves.append(curve)
        variances.append(variance)
    found = fit_autocorrelation(curves)
    at_200 = float(found.at(np.array(200.0)))
    assert at_200 == pytest.approx(share * np.exp(-200 / range_um), abs=0.12)
    assert np.median(variances) == pytest.approx(np.expm1((0.12 * np.log(10)) ** 2), rel=0.2)


def test_a_spot_is_like_itself_and_unlike_one_far_away() -> None:
    alike = Autocorrelation(0.5, 100.0).at(np.array([0.0, 1e-9 + 1e-3, 1e6]))
    assert alike == pytest.approx([1, 0.5, 0], abs=1e-4)


def test_sections_too_small_to_tell_are_independent() -> None:
    one = np.zeros((1, 2))
    curve, variance = correlogram([(np.zeros((1, 3)), np.ones((1, 3)))], one)
    assert len(curve.um) == 0
    assert len(variance) == 3
    assert fit_autocorrelation([curve]).share == 0
