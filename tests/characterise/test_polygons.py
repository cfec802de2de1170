"""Rings that cross themselves: what is mended bounds the same area and crosses nothing."""

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from histospace_core.characterise import Region
from histospace_core.characterise.polygons import closed, crossings, mended, signed_area
from histospace_core.errors import RegionError

SIDE = 1000.0
EIGHT = [[0, 0], [10, 10], [10, 0], [0, 10]]
PENTAGRAM = [[100 * np.cos(a), 100 * np.sin(a)] for a in np.arange(5) * 4 * np.pi / 5]


def goes_around(ring: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How often a ring goes around each point, by the angle that it turns through."""
    to = ring[None] - points[:, None]
    angle = np.arctan2(to[..., 1], to[..., 0])
    turn = (np.diff(angle, axis=1) + np.pi) % (2 * np.pi) - np.pi
    return np.rint(turn.sum(1) / (2 * np.pi)).astype(int)


@given(st.integers(0, 2**32 - 1), st.integers(4, 16))
def test_a_mended_ring_holds_what_it_went_around(seed: int, corners: int) -> None:
    rng = np.random.default_rng(seed)
    ring = closed(rng.uniform(0, SIDE, (corners, 2)))
    region = Region("a", tuple(mended(ring)))
    points = rng.uniform(0, SIDE, (200, 2))
    differ = region.contains(points) != (goes_around(ring, points) != 0)
    assert differ.sum() <= 1, "a piece smaller than a square px may be left out"
    assert not [crossings(part) for part in region.rings if crossings(part)]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=12))
def test_corners_on_a_grid_that_touch_and_repeat_are_taken(points: list[tuple[int, int]]) -> None:
    try:
        region = Region.drawn("a", points)
    except RegionError:
        event("encloses nothing")
        return
    assert all((ring[0] == ring[-1]).all() and len(ring) > 3 for ring in region.rings)


def test_both_halves_of_an_eight_stay_and_a_star_is_filled() -> None:
    halves = mended(closed(EIGHT))
    assert sorted(abs(signed_area(outer)) for (outer,) in halves) == [25, 25]
    ((star,),) = mended(closed(PENTAGRAM))
    assert len(star) == 11
    assert Region("star", ((star,),)).contains(np.zeros((1, 2))).all()


def test_a_ring_that_winds_around_nothing_keeps_a_hole() -> None:
    way_in, way_out = [[0, 0], [9, 0], [9, 9], [0, 9], [0, 1]], [[3, 1], [3, 6], [6, 6], [6, 3]]
    region = Region.drawn("loop", [*way_in, *way_out, [2, 3], [2, -1]])
    middle, rim = np.array([[4.5, 4.5]]), np.array([[7.5, 7.5]])
    around = goes_around(closed([*way_in, *way_out, [2, 3], [2, -1]]), np.vstack([middle, rim]))
    np.testing.assert_array_equal(region.contains(np.vstack([middle, rim])), around != 0)


@pytest.mark.parametrize("points", [[], [[1, 2]], [[0, 0], [5, 5], [0, 0]], "drawn", [[1], [2]]])
def test_what_encloses_nothing_is_said(points: object) -> None:
    with pytest.raises(RegionError, match="draw"):
        Region.drawn("nothing", points)
