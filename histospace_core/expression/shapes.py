"""Shapes of a SpatialData store: circles and polygons, by their centres."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from histospace_core.expression.zarr_store import Group

MAX_SHAPES = 20_000_000  # Visium HD at 2 um has 11 million bins


@dataclass(frozen=True)
class Shapes:
    """Circles or polygons of one element, in its own coordinates.

    Attributes
    ----------
    index : names of the shapes, as text.
    centres : (n, 2) centres of circles, centroids of polygons.
    widths : (n,) diameters of circles, or the sides of squares of the polygons' areas.
    """

    index: pd.Index
    centres: NDArray[np.float64]
    widths: NDArray[np.float64]

    @property
    def regular(self) -> bool:
        """Whether all are of one size, as spots and bins are and cells are not."""
        return bool(np.ptp(self.widths) <= 1e-3 * np.median(self.widths))


def read_shapes(folder: Path, group: Group) -> Shapes:
    """Read an element of `shapes/` in any version of the format (0.1 to 0.3).

    Parameters
    ----------
    folder
        The element's folder on disk; GeoParquet is no part of the zarr hierarchy.

    Raises
    ------
    ValueError, KeyError, OSError
        The element is damaged or holds another geometry.
    """
    if "coords" in group:
        geometry, radius, index = _ragged(group)
    else:
        geometry, radius, index = _geoparquet(folder / "shapes.parquet")
    if not len(geometry) or shapely.is_missing(geometry).any():
        raise ValueError("the shapes are empty")
    kinds = set(shapely.get_type_id(geometry))
    if kinds == {shapely.GeometryType.POINT}:
        if radius is None:
            raise ValueError("the circles have no radius")
        centres, widths = shapely.get_coordinates(geometry), 2.0 * radius
    elif kinds <= {shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON}:
        centres = shapely.get_coordinates(shapely.centroid(geometry))
        widths = np.sqrt(shapely.area(geometry))
    else:
        raise ValueError("the shapes are neither circles nor polygons")
    if len(centres) != len(geometry):
        raise ValueError("some shapes are empty")
    if index.has_duplicates:
        raise ValueError(f"shape {index[index.duplicated()][0]} occurs more than once")
    return Shapes(index, centres, widths)


def _ragged(group: Group) -> tuple[NDArray, NDArray[np.float64] | None, pd.Index]:
    """Read version 0.1: arrays of coordinates and offsets."""
    kind = shapely.GeometryType(group.attrs["spatialdata_attrs"]["geos"]["type"])
    names = sorted(key for key in group.array_keys() if key.startswith("offset"))
    offsets = tuple(np.asarray(group[name]).ravel() for name in names)
    geometry = shapely.from_ragged_array(kind, np.asarray(group["coords"]), offsets or None)
    radius = np.asarray(group["radius"], dtype=np.float64) if "radius" in group else None
    return geometry, radius, _text(np.asarray(group["Index"]))


def _geoparquet(file: Path) -> tuple[NDArray, NDArray[np.float64] | None, pd.Index]:
    parquet = pq.ParquetFile(file)
    if parquet.metadata.num_rows > MAX_SHAPES:  # a few bytes can declare billions
        raise ValueError("there are more shapes than a slide can have")
    table = parquet.read()
    geo = json.loads((table.schema.metadata or {})[b"geo"])
    name = geo["primary_column"]
    column = table.column(name).combine_chunks()
    encoding = geo["columns"][name]["encoding"]
    rest = table.drop_columns(name).to_pandas()  # restores the index
    radius = rest["radius"].to_numpy(np.float64) if "radius" in rest else None
    return _geometry(column, str(encoding).lower()), radius, _text(rest.index.to_numpy())


def _geometry(column: pa.Array, encoding: str) -> NDArray:
    if encoding == "wkb":
        return shapely.from_wkb(column.to_numpy(zero_copy_only=False))
    levels = {"point": 0, "polygon": 2, "multipolygon": 3}  # GeoArrow: nested lists of points
    if encoding not in levels:
        raise ValueError(f"shapes of the encoding '{encoding[:40]}' cannot be read")
    offsets: list[NDArray] = []
    for _ in range(levels[encoding]):
        offsets.insert(0, column.offsets.to_numpy())
        column = column.values
    if pa.types.is_struct(column.type):
        points = np.c_[column.field("x").to_numpy(), column.field("y").to_numpy()]
    else:
        points = column.flatten().to_numpy().reshape(len(column), -1)
    kind = shapely.GeometryType[encoding.upper()]
    return shapely.from_ragged_array(kind, points, tuple(offsets) or None)


def _text(index: NDArray) -> pd.Index:
    return pd.Index([v.decode() if isinstance(v, bytes) else str(v) for v in index], dtype=object)
