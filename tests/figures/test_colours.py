import numpy as np
import plotly.colors
import pytest

from histospace_core.figures.colours import SCALES, colour_table, robust_limits, unit_label


def test_limits_ignore_outliers_and_nan():
    values = np.r_[np.linspace(0, 1, 1001), 1e6, np.nan, np.inf]
    low, high = robust_limits(values)
    assert low == pytest.approx(0.02, abs=0.002)
    assert high == pytest.approx(0.98, abs=0.002)


@pytest.mark.parametrize("values", [[], [np.nan, np.nan], [0.3, 0.3], np.zeros(5), [0] * 99 + [1]])
def test_limits_always_span_a_range(values):
    low, high = robust_limits(values)
    assert np.isfinite([low, high]).all()
    assert high > low


def test_a_rare_gene_is_not_flattened():
    """When both percentiles meet, the full range is shown rather than nothing."""
    assert robust_limits([0.0] * 99 + [1.0]) == (0.0, 1.0)


@pytest.mark.parametrize("scale", SCALES)
def test_scales_are_ordered_in_lightness(scale):
    """Readers without colour vision see lightness only: it must rise or fall all the way."""
    colours = plotly.colors.sample_colorscale(scale, np.linspace(0, 1, 21), colortype="tuple")
    lightness = np.asarray(colours) @ [0.2126, 0.7152, 0.0722]
    steps = np.diff(lightness)
    assert (steps > 0).all() or (steps < 0).all()


def test_unit_is_written_for_readers():
    assert unit_label("log10_cp10k") == "log10(CP10k+1)"
    assert unit_label("something else") == "something else"


def test_the_scales_run_from_end_to_end_in_order_of_lightness():
    weights = np.array([0.2126, 0.7152, 0.0722])  # Rec. 709: what every kind of vision keeps
    for scale in SCALES:
        light = colour_table(scale).astype(float) @ weights
        assert (np.diff(light) > -1.5).all() or (np.diff(light) < 1.5).all(), scale
        assert abs(light[-1] - light[0]) > 150, scale
