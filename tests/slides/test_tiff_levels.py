"""Which sizes are levels of a pyramid; the readers' tests read such files."""

import pytest

from histospace_core.slides.tiff_levels import are_alike, are_scaled

SLIDE = (46_000, 32_914)


@pytest.mark.parametrize(
    ("small", "alike"),
    [
        ((11_500, 8_228), True),
        ((2_875, 2_057), True),
        ((11, 8), True),  # rounded
        ((23_040, 16_640), True),  # padded to whole tiles
        ((15_333, 10_971), True),  # a third
        ((574, 768), False),
        ((1_200, 1_000), False),
        ((600, 300), False),
    ],
)
def test_an_image_of_another_shape_is_no_level(small: tuple[int, int], alike: bool) -> None:
    assert are_alike(SLIDE, small) is alike


def test_scaled_copies_have_a_whole_factor() -> None:
    assert are_scaled((1001, 701), (500, 350))
    assert not are_scaled((1001, 701), (1001, 701))
    assert not are_scaled((1001, 701), (600, 420))
