"""Regions hold what their outline winds around, whether or not it crosses itself."""

import numpy as np
import pytest
import shapely
from hypothesis import event, given
from hypothesis import strategies as st

from histospace_core.characterise import Region
from histospace_core.errors import RegionError

SIDE = 1000.0
EIGHT = [[0, 0], [10, 10], [10, 0], [0, 10]]
PENTAGRAM = [[100 * np.cos(a), 100 * np.sin(a)] for a in np.arange(5) * 4 * np.pi / 5]
SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
SEEDS = st.integers(0, 2**32 - 1)
GRID = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=12)


def goes_around(ring: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How often a ring goes around each point, by the angle that it turns through."""
    to = ring[None] - points[:, None]
    angle = np.arctan2(to[..., 1], to[..., 0])
    turn = (np.diff(angle, axis=1) + np.pi) % (2 * np.pi) - np.pi
    return np.rint(turn.sum(1) / (2 * np.pi)).astype(int)


def closed(points: object) -> np.ndarray:
    ring = np.array(points, dtype=float)
    return np.vstack([ring, ring[:1]])


@given(SEEDS, st.integers(4, 16))
def test_a_repaired_region_holds_what_its_line_went_around(seed: int, corners: int) -> None:
    rng = np.random.default_rng(seed)
    ring = closed(rng.uniform(0, SIDE, (corners, 2)))
    region = Region.drawn("a", ring)
    points = rng.uniform(0, SIDE, (200, 2))
    differ = region.contains(points) != (goes_around(ring, points) != 0)
    assert differ.sum() <= 1, "a piece smaller than a square px may be left out"
    assert all(polygon.is_valid for polygon in region.polygons)


@given(SEEDS, GRID)
def test_a_line_that_crosses_itself_at_its_corners_holds_what_it_went_around(
    seed: int, points: list[tuple[int, int]]
) -> None:
    ring = 100 * closed(points)
    inside = np.random.default_rng(seed).uniform(0, 600, (100, 2))
    try:
        held = Region.drawn("a", ring).contains(inside)
    except RegionError:
        held = np.zeros(len(inside), dtype=bool)
    np.testing.assert_array_equal(held, goes_around(ring, inside) != 0)


@given(SEEDS, st.integers(4, 9), st.integers(4, 9))
def test_a_hole_is_what_its_ring_goes_around_within_the_outer_ring(
    seed: int, corners: int, corners_of_hole: int
) -> None:
    rng = np.random.default_rng(seed)
    outer = closed(rng.uniform(0, SIDE, (corners, 2)))
    hole = closed(rng.uniform(200, 900, (corners_of_hole, 2)))
    geometry = {"type": "Polygon", "coordinates": [outer.tolist(), hole.tolist()]}
    points = rng.uniform(0, SIDE, (200, 2))
    expected = (goes_around(outer, points) != 0) & (goes_around(hole, points) == 0)
    held = Region.from_geometry("a", geometry).contains(points)
    assert (held != expected).sum() <= 1, "a piece smaller than a square px may be left out"


@given(GRID)
def test_corners_on_a_grid_that_touch_and_repeat_are_taken(points: list[tuple[int, int]]) -> None:
    try:
        region = Region.drawn("a", points)
    except RegionError:
        event("has no area")
        return
    rings = [ring for polygon in region.geometry["coordinates"] for ring in polygon]
    if region.geometry["type"] == "Polygon":
        rings = region.geometry["coordinates"]
    assert all(ring[0] == ring[-1] and len(ring) > 3 for ring in rings)


def test_a_lasso_that_goes_round_twice_is_filled() -> None:
    region = Region.drawn("twice", [*SQUARE, *SQUARE])
    assert region.contains(np.array([[5.0, 5]])).all()


def test_the_edge_belongs_to_a_region_and_that_of_a_hole_does_too() -> None:
    hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    region = Region.from_geometry("a", {"type": "Polygon", "coordinates": [SQUARE, hole]})
    points = np.array([[0.0, 5], [10, 10], [5, 4], [5, 5]])
    assert region.contains(points).tolist() == [True, True, True, False]


def test_a_seam_between_two_polygons_is_no_edge() -> None:
    right = [[x + 10, y] for x, y in SQUARE]
    region = Region.from_geometry("a", {"type": "MultiPolygon", "coordinates": [[SQUARE], [right]]})
    assert region.signed_distance(np.array([[10.0, 5], [9.0, 5]])).tolist() == [-5, -5]


def test_both_halves_of_an_eight_stay_and_a_star_is_filled() -> None:
    halves = Region.drawn("eight", EIGHT).polygons
    assert [polygon.area for polygon in halves] == [25, 25]
    star = Region.drawn("star", PENTAGRAM)
    assert shapely.get_num_coordinates(star.polygons).tolist() == [11]
    assert star.contains(np.zeros((1, 2))).all()


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
