"""SpatialData stores written after the documented layout, without the library."""

import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import zarr
from builders.measured import GENES, IDS
from scipy import sparse


def transformation(name: str, axes: str = "xy", scale: list[float] | None = None) -> dict[str, Any]:
    """Return a scale (or the identity) to a coordinate system."""
    named = [{"name": axis, "type": "space"} for axis in axes]
    what = {"type": "identity"} if scale is None else {"type": "scale", "scale": scale}
    return {
        **what,
        "input": {"name": axes, "axes": named},
        "output": {"name": name, "axes": named},
    }


def write_store(path: Path, zarr_format: int = 3) -> zarr.Group:
    """Write an empty store."""
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    root.attrs["spatialdata_attrs"] = {"version": "0.2" if zarr_format == 3 else "0.1"}
    for kind in ("tables", "shapes", "points", "images"):
        root.create_group(kind)
    return root


def add_circles(
    root: zarr.Group, name: str, centres: np.ndarray, radius: float | np.ndarray = 30.0
) -> None:
    """Add circles in the coordinate system "global"."""
    group = root["shapes"].create_group(name)
    group.attrs.update(
        {
            "coordinateTransformations": [transformation("global")],
            "spatialdata_attrs": {"version": "0.3"},
        }
    )
    frame = pd.DataFrame(
        {"geometry": shapely.to_wkb(shapely.points(centres)), "radius": radius},
        index=pd.RangeIndex(len(centres)),
    )
    column = {"encoding": "WKB", "crs": None, "geometry_types": ["Point"]}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    table = pa.Table.from_pandas(frame)
    table = table.replace_schema_metadata({**table.schema.metadata, b"geo": json.dumps(geo)})
    pq.write_table(table, folder_of(root) / "shapes" / name / "shapes.parquet")


def add_table(
    root: zarr.Group, name: str, counts: np.ndarray, regions: list[str], **obs: Any
) -> None:
    """Add a table whose row i annotates shape i of its region; several regions share the rows."""
    region = np.repeat(regions, len(counts) // len(regions))
    frame = pd.DataFrame(
        {"region": pd.Categorical(region), "instance": np.arange(len(counts)), **obs},
        index=[f"spot{i}" for i in range(len(counts))],
    )
    var = pd.DataFrame({"gene_ids": IDS}, index=GENES)
    adata = anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs=frame, var=var)
    with anndata.settings.override(auto_shard_zarr_v3=False):
        anndata.io.write_elem(root["tables"], name, adata)
    root["tables"][name].attrs.update(
        {
            "region": regions[0] if len(regions) == 1 else regions,
            "region_key": "region",
            "instance_key": "instance",
            "version": "0.2",
        }
    )


def add_image(root: zarr.Group, name: str, side: int, scale: float, labels: str = "rgb") -> None:
    """Add an image whose pixels are `scale` wide in "global"."""
    group = root["images"].create_group(name)
    group.create_array("s0", shape=(len(labels), side, side), dtype="uint8", chunks=(1, 64, 64))
    group.attrs["ome"] = {
        "omero": {"channels": [{"label": label} for label in labels]},
        "multiscales": [
            {
                "axes": [{"name": axis} for axis in "cyx"],
                "datasets": [{"path": "s0"}],
                "coordinateTransformations": [transformation("global", "cyx", [1.0, scale, scale])],
            }
        ],
    }


def folder_of(root: zarr.Group) -> Path:
    """Return the folder of a store."""
    return Path(root.store_path.store.root)
