import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.figures.canvas import (
    Canvas,
    bar_length_um,
    length_label,
    slide_figure,
    view_box,
)


@given(st.floats(10, 1e6))
def test_scale_bar_is_a_round_length_of_a_tenth_to_a_fifth(width_um):
    length = bar_length_um(width_um)
    assert width_um / 12.6 < length <= width_um / 5 * 1.0001
    assert float(f"{length:.0e}"[0]) in (1, 2, 5)


def test_scale_bar_is_true_in_level_0_pixels():
    figure = slide_figure(Canvas(10_000, 8_000, mpp=0.5), (0, 0, 10_000, 8_000))
    bar = next(shape for shape in figure.layout.shapes if shape.name == "scale bar")
    assert figure.layout.annotations[0].text == "1 mm"
    assert (bar.x1 - bar.x0) * 0.5 == pytest.approx(1000)
    assert bar.y0 > 8_000, "the bar lies below the slide, not on tissue"


def test_no_pixel_size_no_scale_bar():
    figure = slide_figure(Canvas(100, 100), (0, 0, 100, 100))
    assert not figure.layout.shapes
    assert not figure.layout.annotations


def test_lengths_are_labelled():
    assert (length_label(500), length_label(2000)) == ("500 µm", "2 mm")


def test_view_holds_all_tiles_and_stays_on_the_slide():
    centres = np.array([[100.0, 5000.0], [9990.0, 7000.0]])
    x0, y0, x1, y1 = view_box(Canvas(10_000, 8_000), centres, 64)
    assert x0 == 0
    assert x1 == 10_000
    assert 0 < y0 < 5000 - 64
    assert 7064 < y1 <= 8000
    assert view_box(Canvas(10, 20), np.empty((0, 2)), 64) == (0, 0, 10, 20)


def test_picture_covers_the_slide_whatever_its_own_size():
    figure = slide_figure(Canvas(900, 700, image_url="/picture.jpg"), (0, 0, 900, 700))
    (picture,) = figure.layout.images
    assert (picture.x, picture.y, picture.sizex, picture.sizey) == (0, 0, 900, 700)
    assert picture.sizing == "stretch"
    low, high = figure.layout.yaxis.range
    assert low > high, "y points down"
