"""A prediction as a SpatialData zarr store: the slide, the tiles as shapes, and a table.

This module writes the store with zarr, AnnData and pyarrow, because the spatialdata library pins
versions of Dask that this app cannot use. It writes the same versions of the format as spatialdata
0.7: raster and shapes 0.3, tables 0.2. The tests open the store with that library.
https://spatialdata.scverse.org/en/stable/design_doc.html
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import zarr

from histospace_core import __version__
from histospace_core.exports.table import spatial_table
from histospace_core.files import create
from histospace_core.inference import Prediction

IMAGE: Final = "slide"
SHAPES: Final = "tiles"
TABLE: Final = "table"
_RASTER, _SHAPES, _TABLES, _CONTAINER = "0.3", "0.3", "0.2", "0.2"
_SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) / 2  # WKB closes a ring


def write_spatialdata(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    """Write a store that spatialdata, squidpy and napari-spatialdata open.

    Parameters
    ----------
    prediction : Prediction
        An opened run.
    genes : sequence of str
        Variables of the table.
    out : pathlib.Path
        A new folder, usually ``*.zarr``. Its only coordinate system, ``global``, is level-0 px.

    Raises
    ------
    StoreError
        The folder exists or cannot be written.
    """
    with create(out) as part:
        root = zarr.open_group(part, mode="w", zarr_format=3)
        root.attrs["spatialdata_attrs"] = {
            "version": _CONTAINER,
            "spatialdata_software_version": f"HistoSPACE {__version__}",
        }
        table = spatial_table(prediction, genes)
        if prediction.overview is not None:
            _write_image(root.create_group("images").create_group(IMAGE), prediction)
        shapes = root.create_group("shapes").create_group(SHAPES)
        shapes.attrs.update(
            {
                "encoding-type": "ngff:shapes",
                "axes": ["x", "y"],
                "coordinateTransformations": [_transformation("xy", None)],
                "spatialdata_attrs": {"version": _SHAPES},
            }
        )
        squares = table.obsm["spatial"][:, None] + _SQUARE * prediction.tile_level0
        _write_squares(part / "shapes" / SHAPES / "shapes.parquet", squares, table.obs_names)
        _write_table(root.create_group("tables"), table)


def _write_image(group: zarr.Group, prediction: Prediction) -> None:
    """Write the overview as an OME-NGFF image with one level, channels first."""
    assert prediction.overview is not None
    pixels = np.moveaxis(prediction.overview, 2, 0)
    slide = prediction.record.slide
    array = group.create_array(
        "s0", shape=pixels.shape, dtype="uint8", chunks=(3, 512, 512), dimension_names=list("cyx")
    )
    array[:] = pixels
    scale = [1.0, slide.height / pixels.shape[1], slide.width / pixels.shape[2]]
    identity: dict[str, Any] = {"type": "scale", "scale": [1.0, 1.0, 1.0]}
    axes: list[Any] = [{"name": a, "type": "channel" if a == "c" else "space"} for a in "cyx"]
    group.attrs["ome"] = {
        "version": "0.5-dev-spatialdata",  # as spatialdata 0.7 writes it
        "omero": {"channels": [{"label": label} for label in "rgb"]},
        "multiscales": [
            {
                "name": f"/images/{IMAGE}",
                "axes": axes,
                "datasets": [{"path": "s0", "coordinateTransformations": [identity]}],
                "coordinateTransformations": [_transformation("cyx", scale)],
            }
        ],
    }
    group.attrs["spatialdata_attrs"] = {"version": _RASTER}


def _transformation(axes: str, scale: list[float] | None) -> dict[str, Any]:
    """Return the transformation from the axes of an element to ``global``."""
    named: list[dict[str, Any]] = [
        {"name": a, "type": "channel"} if a == "c" else {"name": a, "type": "space", "unit": "unit"}
        for a in axes
    ]
    what = {"type": "identity"} if scale is None else {"type": "scale", "scale": scale}
    return {
        **what,
        "input": {"name": axes, "axes": named},
        "output": {"name": "global", "axes": named},
    }


def _write_squares(file: Path, squares: npt.NDArray[np.float64], names: pd.Index) -> None:
    """Write polygons as GeoParquet 1.1: well-known binary, little-endian.

    https://geoparquet.org/releases/v1.1.0/
    """
    # Byte order (little-endian), geometry type (polygon), number of rings, points of the ring.
    head = struct.pack("<BIII", 1, 3, 1, squares.shape[1])
    shapes = [head + square.astype("<f8").tobytes() for square in squares]
    points = squares.reshape(-1, 2)
    column = {
        "encoding": "WKB",
        "crs": None,  # none: without this key, readers assume longitude and latitude
        "geometry_types": ["Polygon"],
        "bbox": [*points.min(0), *points.max(0)] if len(points) else [],
    }
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    # From pandas, so that the index is written too: it holds the names of the tiles.
    frame = pd.DataFrame({"geometry": shapes}, index=pd.Index(names, dtype=object))
    sheet = pa.Table.from_pandas(frame)
    sheet = sheet.replace_schema_metadata({**sheet.schema.metadata, b"geo": json.dumps(geo)})
    pq.write_table(sheet, file)


def _write_table(group: zarr.Group, table: anndata.AnnData) -> None:
    keys = {"region": SHAPES, "region_key": "region", "instance_key": "tile"}
    table.obs = table.obs.assign(
        region=pd.Categorical([SHAPES] * table.n_obs), tile=table.obs_names.to_numpy(dtype=object)
    )
    table.obs.index.name = None  # AnnData refuses an index with the name of a column
    table.uns.pop("spatial")  # the store has the slide as an image
    table.uns["spatialdata_attrs"] = keys
    with anndata.settings.override(auto_shard_zarr_v3=False):
        anndata.io.write_elem(group, TABLE, table)
    group[TABLE].attrs.update(
        {**keys, "spatialdata-encoding-type": "ngff:regions_table", "version": _TABLES}
    )
