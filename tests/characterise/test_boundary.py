"""Tiles in drawn regions, and distances to their edge by hand."""

import numpy as np
import pytest
import shapely
from builders.held_out import PITCH, lattice

from histospace_core.characterise import (
    Region,
    boundary_gradient,
    edge_distance,
    region_labels,
)
from histospace_core.errors import MeasurementError

SQUARE = shapely.box(0, 0, 10, 10)
HOLE = shapely.box(4, 4, 6, 6)


def test_distance_to_the_edge_is_negative_inside_and_a_hole_is_outside() -> None:
    region = Region("Tumor", (SQUARE - HOLE,))
    points = np.array([[1.0, 5], [5, 5], [13, 14], [-2, 5], [3, 5]])
    np.testing.assert_array_equal(region.contains(points), [True, False, False, False, True])
    np.testing.assert_allclose(region.signed_distance(points), [-1, 1, 5, 2, -1])


def test_the_first_drawn_region_wins_a_tile() -> None:
    regions = [Region("Tumor", (SQUARE,)), Region("Stroma", (shapely.box(0, 0, 30, 10),))]
    labels = region_labels(regions, np.array([[5.0, 5], [15, 5], [5, 50]]))
    assert labels.tolist() == ["Tumor", "Stroma", ""]


def test_a_gradient_follows_the_distance_in_um() -> None:
    centres = lattice(30)
    middle, side = centres.mean(0), 2000
    region = Region("core", (shapely.box(*(middle - side), *(middle + side)),))
    distance = region.signed_distance(centres) * 0.5
    values = np.column_stack([distance, np.ones(len(centres))])
    bands = boundary_gradient(values, distance, width_um=250)
    assert (bands["mean_0"].between(bands["from_um"], bands["to_um"])).all()
    assert bands["from_um"].min() == -1000
    np.testing.assert_allclose(bands["mean_1"], 1)
    assert bands["n_tiles"].sum() == ((distance >= -1000) & (distance < 1000)).sum()


def test_the_edge_of_a_region_of_tiles_runs_between_tiles() -> None:
    centres = lattice(10)
    inside = centres[:, 0] < centres[:, 0].mean()
    distance = edge_distance(inside, centres)
    steps = (centres[:, 0] - centres[:, 0].mean()) / PITCH
    np.testing.assert_allclose(distance / PITCH, steps)
    with pytest.raises(MeasurementError, match="no edge"):
        edge_distance(np.ones(100, bool), centres)
