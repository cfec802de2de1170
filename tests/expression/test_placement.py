"""Placing spots by hand: each part of a placement, and their order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression import Placement
from histospace_core.expression.align import ORIENTATIONS, orient
from histospace_core.expression.placement import apply_affine

SIZE = (1000.0, 600.0)
CENTRES = np.array([[100.0, 100], [300, 100], [300, 200], [150, 180]])


def place(placement, centres=CENTRES, mpp=0.5):
    return apply_affine(centres, placement.matrix(centres, SIZE, mpp))


def test_nothing_moves_by_default():
    np.testing.assert_array_equal(place(Placement()), CENTRES)


def test_a_shift_is_in_um_to_the_right_and_down():
    np.testing.assert_allclose(place(Placement(shift_um=(10, -5))), CENTRES + np.array([20, -10]))


def test_a_turn_is_clockwise_on_the_screen_about_the_middle_of_the_spots():
    turned = place(Placement(turn_degrees=90))
    np.testing.assert_allclose(
        turned[0], [250, 50]
    )  # the upper left corner becomes the upper right
    np.testing.assert_allclose((turned.min(0) + turned.max(0)) / 2, [200, 150])


def test_a_spread_keeps_the_middle():
    np.testing.assert_allclose(place(Placement(scale=2))[:3], [[0, 50], [400, 50], [400, 250]])


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_flips_and_quarter_turns_are_those_of_the_check(name):
    np.testing.assert_allclose(place(Placement(name)), orient(CENTRES, name, SIZE), atol=1e-9)


@given(
    st.sampled_from(list(ORIENTATIONS)),
    st.floats(-180, 180),
    st.floats(0.1, 10),
    st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
)
def test_distances_keep_their_proportions(name, turn, scale, shift):
    there = place(Placement(name, turn, scale, shift))
    before, after = (np.linalg.norm(np.diff(p, axis=0), axis=1) for p in (CENTRES, there))
    np.testing.assert_allclose(after, scale * before, rtol=1e-6)


def test_what_was_recorded_makes_the_same_placement():
    placement = Placement("mirrored top-bottom", 12.5, 0.9, (3.0, 4.0))
    assert Placement(**placement.to_json()) == placement


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"orientation": "inside out"}, "no orientation 'inside out'"),
        ({"scale": 0.0}, "from 0.1 to 10"),
        ({"scale": float("nan")}, "finite"),
        ({"turn_degrees": float("inf")}, "finite"),
        ({"shift_um": (float("nan"), 0.0)}, "finite"),
    ],
)
def test_placements_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(MeasurementError, match=says):
        Placement(**wrong)
