"""Circles and polygons of a SpatialData store, by their centres."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import zarr

from histospace_core.expression.shapes import Shapes, read_shapes

CENTRES = [[10.0, 20.0], [30.0, 40.0]]


def read(
    folder: Path, geometry: list, *, index: tuple[str, ...] = ("a", "b"), radius: bool = True
) -> Shapes:
    """Write GeoParquet as geopandas does, and read it."""
    columns: dict = {"geometry": list(shapely.to_wkb(geometry))}
    if radius:
        columns["radius"] = [2.5] * len(geometry)
    frame = pd.DataFrame(columns, index=pd.Index(index[: len(geometry)], dtype=object))
    table = pa.Table.from_pandas(frame)
    geo = {"primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}
    table = table.replace_schema_metadata({**table.schema.metadata, "geo": json.dumps(geo)})
    pq.write_table(table, folder / "shapes.parquet")
    return read_shapes(folder, zarr.create_group(folder / "group.zarr"))


def test_circles_have_centres_and_diameters(tmp_path: Path) -> None:
    shapes = read(tmp_path, [shapely.Point(p) for p in CENTRES])
    assert shapes.index.tolist() == ["a", "b"]
    assert shapes.centres.tolist() == CENTRES
    assert shapes.widths.tolist() == [5, 5]
    assert shapes.regular


def test_polygons_have_centroids_and_sides(tmp_path: Path) -> None:
    shapes = read(tmp_path, [shapely.box(0, 0, 4, 4), shapely.box(8, 0, 10, 2)], radius=False)
    assert shapes.centres.tolist() == [[2, 2], [9, 1]]
    assert shapes.widths.tolist() == [4, 2]
    assert not shapes.regular


@pytest.mark.parametrize(
    ("geometry", "more", "message"),
    [
        ([shapely.Point(1, 2)], {"radius": False}, "no radius"),
        ([], {}, "empty"),
        ([shapely.Polygon(), shapely.box(0, 0, 1, 1)], {}, "some shapes are empty"),
        ([shapely.LineString([[0, 0], [1, 1]])], {}, "neither circles nor polygons"),
        ([shapely.Point(1, 2), shapely.box(0, 0, 1, 1)], {}, "neither circles nor polygons"),
        ([shapely.Point(p) for p in CENTRES], {"index": ("a", "a")}, "occurs more than once"),
    ],
)
def test_other_shapes_are_refused(tmp_path: Path, geometry: list, more: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, geometry, **more)


def test_the_first_version_kept_arrays(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "s.zarr")
    group.attrs["spatialdata_attrs"] = {"geos": {"name": "POINT", "type": 0}}
    group.create_array("coords", data=np.array(CENTRES))
    group.create_array("radius", data=np.array([2.0, 3.0]))
    group.create_array("Index", data=np.array([7, 9]))
    shapes = read_shapes(tmp_path, group)
    assert shapes.index.tolist() == ["7", "9"]
    assert shapes.centres.tolist() == CENTRES
    assert shapes.widths.tolist() == [4, 6]
