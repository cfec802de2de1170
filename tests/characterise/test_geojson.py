"""Annotations of QuPath: read, written and read again, and what cannot be one."""

import gzip
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from histospace_core.catalog import new_id
from histospace_core.characterise import Region, read_annotations, read_regions
from histospace_core.characterise.qupath import LONGEST_NAME
from histospace_core.errors import RegionError
from histospace_core.exports.geojson import regions_geojson

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "exports" / "qupath.schema.json").read_text("utf-8")
)
SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
EIGHT = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]
SIZE = (1000.0, 500.0)


def feature(geometry: object, **properties: object) -> dict:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def polygon(*rings: list, **properties: object) -> dict:
    return feature({"type": "Polygon", "coordinates": list(rings)}, **properties)


def tumour(*rings: list) -> dict:
    return polygon(*rings, objectType="annotation", classification={"name": "Tumor"})


def read(*features: dict) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    content = {"type": "FeatureCollection", "features": list(features)}
    found = read_annotations(json.dumps(content).encode(), "a.geojson", SIZE)
    return found.regions, found.notes


@st.composite
def regions(draw: st.DrawFn) -> list[Region]:
    """Regions of one to three polygons that do not cross themselves, some with a hole."""
    text = st.text(st.characters(exclude_categories=("C",)), max_size=LONGEST_NAME)
    names = text.map(lambda name: " ".join(name.split())).filter(bool)
    found = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        polygons = []
        for cell in range(draw(st.integers(1, 3))):
            angles = np.linspace(0, 2 * np.pi, 7, endpoint=False) + rng.uniform(0, 0.8, 7)
            star = rng.uniform(40, 90, (7, 1)) * np.column_stack([np.cos(angles), np.sin(angles)])
            ring = np.vstack([star, star[:1]])
            middle = np.array([150.0 + 200 * cell, 250.0])
            holes = [middle + 0.3 * ring[::-1]] if draw(st.booleans()) else []
            polygons.append(shapely.Polygon(middle + ring, holes))
        colour = draw(st.sampled_from(["", "#d55e00", "#000000"]))
        found.append(Region(name, tuple(polygons), colour))
    return found


@settings(max_examples=30)
@given(regions())
def test_what_is_written_is_what_qupath_reads_and_comes_back_equal(drawn: list[Region]) -> None:
    data = regions_geojson({new_id(): region for region in drawn})
    jsonschema.validate(json.loads(data), SCHEMA)
    found = read_annotations(data, "a.geojson", SIZE)
    assert found.notes == ()
    kept = [(r.name, r.colour, r.geometry) for r in found.regions]
    assert kept == [(r.name, r.colour, r.geometry) for r in drawn]


def test_coordinates_are_level_0_px_from_the_top_left() -> None:
    region = Region.drawn("a", [[100, 20], [300, 20], [300, 60], [100, 60]], "#0072b2")
    (written,) = json.loads(regions_geojson({new_id(): region}))["features"]
    corners = [[100, 20], [300, 20], [300, 60], [100, 60], [100, 20]]
    assert written["geometry"] == {"type": "Polygon", "coordinates": [corners]}
    assert written["properties"]["objectType"] == "annotation"
    assert written["properties"]["classification"] == {"name": "a", "color": [0, 114, 178]}
    assert region.contains(np.array([[299.0, 21], [299, 61]])).tolist() == [True, False]


def test_polygons_of_one_class_are_one_region_of_its_colour_and_holes_stay_out() -> None:
    far = [[x + 20, y] for x, y in SQUARE]
    wide = {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [far]]}
    stroma = {"classification": {"name": "Stroma", "color": [1, 2, 255]}}
    (tumor, other), notes = read(tumour(SQUARE), tumour(SQUARE, HOLE), feature(wide, **stroma))
    assert (tumor.name, other.name, other.colour) == ("Tumor", "Stroma", "#0102ff")
    points = np.array([[5.0, 5], [25, 5], [1, 1]])
    assert tumor.contains(points).tolist() == [True, False, True], "all that any of them holds"
    assert other.contains(points).tolist() == [False, True, True]
    assert notes == ()


@pytest.mark.parametrize(
    ("properties", "name", "colour"),
    [
        ({"name": " a  b "}, "a b", ""),
        ({"classification": {"names": ["Tumor", "Positive"]}}, "Tumor: Positive", ""),
        ({"classification": {"name": "T", "colorRGB": -16776961}, "name": "x"}, "T", "#0000ff"),
        ({"color": [255, 0, 0], "classification": None}, "region", "#ff0000"),
        ({"classification": "Stroma", "color": "#0A0b0C"}, "Stroma", "#0a0b0c"),
        ({"classification": {"names": []}, "name": "x"}, "x", ""),
        ({"classification": {"name": "T", "color": -3670016}}, "T", "#c80000"),
        ({"classification": {"name": "T", "color": [1, 2, 3, 255]}}, "T", "#010203"),
        ({"name": "n" * 200}, "n" * LONGEST_NAME, ""),
    ],
)
def test_names_and_colours_of_every_version_of_qupath(properties, name, colour) -> None:
    ((region,), _) = read(polygon(SQUARE, **properties))
    assert (region.name, region.colour) == (name, colour)


def test_what_crosses_itself_is_mended_and_what_is_no_area_left_out_and_both_are_said() -> None:
    cell = polygon(SQUARE, objectType="detection")
    point = feature({"type": "Point", "coordinates": [1, 2]}, objectType="annotation")
    ((region,), notes) = read(tumour(EIGHT), cell, point, feature(None))
    assert region.contains(np.array([[5.0, 2], [5, 8], [2, 5], [9, 5]])).tolist() == [
        False, False, True, True,
    ]  # fmt: skip
    assert [note.partition(" ")[0] for note in notes] == ["Polygons", "Left", "Points"]
    assert [note[-3:] for note in notes] == [" 1.", " 1.", " 2."]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty; export"),
        (" \n", "is empty; export"),
        ("not json", "is not GeoJSON"),
        ("[" * 100_000, "is not GeoJSON"),
        ('{"type": "FeatureCollection", "features": []}', "contains no polygon; draw"),
        (polygon(SQUARE, objectType="cell"), r"no polygon \(only cell 1\); draw"),
        (
            feature({"type": "Circle", "coordinates": [0, 0]}),
            "'region' has the unknown geometry",
        ),
        (feature({"type": "Polygon", "coordinates": []}), "'region' has an empty polygon"),
        (tumour([]), "'Tumor' has an empty polygon"),
        (tumour([[1, 2]]), "'Tumor' has an empty polygon"),
        (tumour([[0, 0], [5, 5], [9, 9], [0, 0]]), "'Tumor' has an empty polygon"),
        (tumour(SQUARE, []), "'Tumor' has an empty polygon"),
        (tumour([["a", 2], [3, 4], [5, 6]]), "invalid coordinates"),
        (tumour([[float("nan"), 2], [3, 4], [5, 6]]), "invalid coordinates"),
        (tumour([1, 2, 3]), "invalid coordinates"),
        ("3", "is JSON, but not GeoJSON"),
        ('{"rois": []}', "is JSON, but not GeoJSON"),
        ("PK", "is a zip; unpack it"),
        ('{"type": "FeatureCollection"}', "invalid coordinates"),
        (tumour([[x * 150, y] for x, y in SQUARE]), "this slide is 1,000 × 500 px: it was drawn"),
        (tumour([[x - 50, y] for x, y in SQUARE]), "another slide"),
    ],
)
def test_what_is_no_region_of_this_slide_is_said(content: object, said: str) -> None:
    data = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(RegionError, match=said) as refused:
        read_annotations(data.encode(), "x.geojson", SIZE)
    assert str(refused.value).startswith("x.geojson: ")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match=r"absent\.geojson: cannot be read"):
        read_regions(tmp_path / "absent.geojson")


@pytest.mark.parametrize("kind", ["Cell", "Detection", "Tile", "Root", "TMACore"])
def test_a_kind_in_the_id_of_older_files_is_left_out_and_counted(kind: str) -> None:
    prefix = "" if kind == "TMACore" else "Path"
    other = {**polygon(SQUARE, classification={"name": "Tumor"}), "id": f"{prefix}{kind}Object"}
    far = polygon([[x + 50, y] for x, y in SQUARE], classification={"name": "Tumor"})
    (region,), (note,) = read({**far, "id": "PathAnnotationObject"}, other, other)
    assert region.contains(np.array([[55.0, 5], [5, 5]])).tolist() == [True, False]
    said = {"TMACore": "TMA core"}.get(kind, kind.lower())
    assert note == f"Left out, because only annotations become regions: {said} 2."


def test_a_geometry_collection_gives_its_areas_and_counts_its_points() -> None:
    parts = [{"type": "Polygon", "coordinates": [SQUARE]}, {"type": "Point", "coordinates": [1, 2]}]
    (region,), notes = read(feature({"type": "GeometryCollection", "geometries": parts}))
    assert region.bounds == (0, 0, 10, 10)
    assert notes == ("Points and lines left out, because they have no area: 1.",)


def test_a_packed_file_is_unpacked() -> None:
    packed = gzip.compress(json.dumps(tumour(SQUARE)).encode())
    assert [r.name for r in read_annotations(packed, "x.geojson.gz").regions] == ["Tumor"]
    with pytest.raises(RegionError, match="is damaged"):
        read_annotations(packed[:-9], "x.geojson.gz")
