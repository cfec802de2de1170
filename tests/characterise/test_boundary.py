"""Drawn regions: what QuPath writes, what is no region, and distances by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from heldout import PITCH, lattice

from histospace_core.characterise import (
    Region,
    boundary_gradient,
    edge_distance,
    read_regions,
    region_labels,
)
from histospace_core.errors import MeasurementError

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]


def drawn(*rings: list, name: str = "Tumor") -> dict:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": list(rings)},
        "properties": {"objectType": "annotation", "classification": {"name": name}},
    }


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_distance_to_the_edge_is_negative_inside_and_a_hole_is_outside(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.geojson", {"type": "FeatureCollection", "features": [drawn(SQUARE, HOLE)]}
    )
    (region,) = read_regions(file)
    assert region.name == "Tumor"
    points = np.array([[1.0, 5], [5, 5], [13, 14], [-2, 5], [3, 5]])
    np.testing.assert_array_equal(region.contains(points), [True, False, False, False, True])
    np.testing.assert_allclose(region.signed_distance(points), [-1, 1, 5, 2, -1])


def test_shapes_of_one_class_are_one_region_and_the_first_drawn_wins(tmp_path: Path) -> None:
    far = [[x + 20, y] for x, y in SQUARE]
    wide = [[x * 3, y] for x, y in SQUARE]
    multi = drawn(name="Stroma")
    multi["geometry"] = {"type": "MultiPolygon", "coordinates": [[wide]]}
    file = write(tmp_path / "a.geojson", [drawn(SQUARE), drawn(far), multi])
    regions = read_regions(file)
    assert [r.name for r in regions] == ["Tumor", "Stroma"]
    labels = region_labels(regions, np.array([[5.0, 5], [25, 5], [15, 5], [5, 50]]))
    assert labels.tolist() == ["Tumor", "Tumor", "Stroma", ""]


def test_a_gradient_follows_the_distance_in_um() -> None:
    centres = lattice(30)
    middle, side = centres.mean(0), 2000
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * side + middle
    region = Region("core", (corners.astype(float),))
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "no GeoJSON"),
        ("[" * 100_000, "no GeoJSON"),
        ('{"type": "FeatureCollection", "features": []}', "no polygon"),
        ('{"type": "Point", "coordinates": [1, 2]}', "no polygon"),
        ('{"type": "Polygon", "coordinates": [[[1, 2]]]}', "no proper coordinates"),
        ('{"type": "Polygon", "coordinates": [[["a", 2], [3, 4], [5, 6]]]}', "no proper"),
        ('{"type": "Polygon", "coordinates": [[[NaN, 2], [3, 4], [5, 6]]]}', "no proper"),
        ("3", "no proper coordinates"),
        ('{"type": "FeatureCollection"}', "no proper coordinates"),
    ],
)
def test_what_is_no_region_is_said(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "x.geojson").write_text(content, "utf-8")
    with pytest.raises(MeasurementError, match=said):
        read_regions(tmp_path / "x.geojson")


def test_a_file_that_is_absent_is_said(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"absent\.geojson: cannot be read"):
        read_regions(tmp_path / "absent.geojson")
