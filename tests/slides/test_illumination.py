import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.slides.illumination import (
    measure_luminosity,
    measure_white,
    remove_colour_cast,
    standardise_luminosity,
)
from histospace_core.slides.open import RGB


@given(cast=st.tuples(*[st.floats(0.5, 1)] * 3))
def test_a_colour_cast_is_removed(cast: tuple[float, float, float]) -> None:
    image = np.full((20, 20, 3), 255.0)
    image[5:10] = [200, 100, 150]
    tinted = np.round(image * cast).astype(np.uint8)
    clean = remove_colour_cast(tinted, measure_white(tinted))
    assert np.abs(clean - image).max() < 2


def test_luminosity_is_brought_to_white(pixels: RGB) -> None:
    dim = pixels * 0.7
    bright = standardise_luminosity(dim, measure_luminosity(dim))
    assert abs(measure_luminosity(bright) - 100) < 0.5
    assert bright.max() <= 255


def test_black_does_not_divide_by_nothing() -> None:
    black = np.zeros((10, 10, 3), np.uint8)
    assert (remove_colour_cast(black, measure_white(black)) == 0).all()
    assert np.isfinite(standardise_luminosity(black, measure_luminosity(black))).all()
