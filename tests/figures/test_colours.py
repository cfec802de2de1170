from itertools import combinations, product

import numpy as np
import plotly.colors
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from histospace_core.figures.colours import (
    INKS,
    SCALES,
    colour_table,
    ink_table,
    rgb,
    robust_limits,
    unit_label,
)


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


#: Linear RGB as seen without red, green or blue cones (Machado et al. 2009, severity 1).
VISION = {
    "full": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                 [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def seen(colours, vision):
    """CIELAB of sRGB colours (n, 3), 0 to 1."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    other = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    srgb = np.where(other <= 0.0031308, 12.92 * other, 1.055 * other ** (1 / 2.4) - 0.055)
    return rgb2lab(srgb)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("n", INKS)
def test_inks_and_their_mixtures_stay_apart_for_every_kind_of_vision(n, vision):
    inks = np.array([rgb(ink) for ink in INKS[n]]) / 255
    mixtures = [np.prod([i for i, b in zip(inks, bits, strict=True) if b] or [np.ones(3)], axis=0)
                for bits in product([0, 1], repeat=n)]  # fmt: skip
    lab = seen(np.array(mixtures), vision)
    for one, other in combinations(range(2**n), 2):
        assert deltaE_ciede2000(lab[one], lab[other]) > (25 if n == 2 else 12)


def test_an_ink_begins_white_and_ends_full():
    table = ink_table("#0072b2")
    assert table[0].tolist() == [255, 255, 255]
    assert tuple(table[-1]) == rgb("#0072b2")
    assert (np.diff(table.astype(int), axis=0) <= 0).all()
