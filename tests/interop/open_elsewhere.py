"""What a user of scanpy, squidpy and spatialdata does first.

``python open_elsewhere.py scanpy|squidpy|spatialdata PATH`` prints what it found as JSON.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def with_scanpy(path: Path) -> dict[str, Any]:
    """Open, reduce, cluster by position, rank genes, draw over the slide."""
    import scanpy as sc

    table = sc.read_h5ad(path)
    sc.pp.pca(table, n_comps=3)
    right = table.obsm["spatial"][:, 0] > np.median(table.obsm["spatial"][:, 0])
    table.obs["side"] = np.where(right, "right", "left")
    table.obs["side"] = table.obs["side"].astype("category")
    sc.tl.rank_genes_groups(table, "side", method="t-test")
    axes = sc.pl.spatial(table, color=table.var_names[0], show=False)
    gene = str(table.var_names[0])
    ranked = sc.get.rank_genes_groups_df(table, "right").set_index("names")
    return {
        "shape": table.shape,
        "pca_is_finite": bool(np.isfinite(table.obsm["X_pca"]).all()),
        "pictures_drawn": len(axes[0].images),
        "gene": gene,
        "log2_fold_change": float(ranked.loc[gene, "logfoldchanges"]),
        "inside": np.flatnonzero(right).tolist(),
    }


def with_squidpy(path: Path) -> dict[str, Any]:
    """Open, find neighbours, Moran's I, draw squares of true size over the slide."""
    import anndata
    import squidpy as sq

    table = anndata.read_h5ad(path)
    sq.gr.spatial_neighbors(table, coord_type="grid", n_neighs=4)
    sq.gr.spatial_autocorr(table, mode="moran", n_perms=10, n_jobs=1, show_progress_bar=False)
    sq.pl.spatial_scatter(table, color=table.var_names[0], shape="square")
    axes = plt.gca()
    collection = axes.collections[0]
    corners = collection.get_paths()[0].get_extents()
    return {
        "neighbours": int(table.obsp["spatial_connectivities"].sum(1).max()),
        "moran": table.uns["moranI"]["I"].to_dict(),
        "pictures_drawn": len(axes.images),
        "squares": len(collection.get_paths()),
        "side_on_picture": float(corners.width),
        "scale": float(
            next(iter(table.uns["spatial"].values()))["scalefactors"]["tissue_hires_scalef"]
        ),
    }


def with_spatialdata(path: Path) -> dict[str, Any]:
    """Open, validate, cut a box, join tiles to their rows, and write what was read again."""
    import spatialdata as sd

    data = sd.read_zarr(path)
    sd.models.TableModel().validate(data["table"])
    tiles, rows = sd.join_spatialelement_table(
        sdata=data, spatial_element_names="tiles", table_name="table"
    )
    extent = sd.get_extent(data)
    picture = sd.get_extent(data, elements=["slide"])
    data.write(path.with_name("again.zarr"))
    polygons = tiles["tiles"].geometry
    return {
        "elements": sorted(name for _, name, _ in data.gen_elements()),
        "coordinate_systems": data.coordinate_systems,
        "joined": [len(polygons), rows.n_obs],
        "same_order": list(polygons.index) == list(rows.obs["tile"]),
        "areas": sorted(set(np.round(polygons.area, 2))),
        "centres": np.column_stack([polygons.centroid.x, polygons.centroid.y]).tolist(),
        "table_positions": rows.obsm["spatial"].tolist(),
        "extent": {axis: list(ends) for axis, ends in extent.items()},
        "picture": {axis: list(ends) for axis, ends in picture.items()},
    }


if __name__ == "__main__":
    does: dict[str, Callable[[Path], dict[str, Any]]] = {
        "scanpy": with_scanpy,
        "squidpy": with_squidpy,
        "spatialdata": with_spatialdata,
    }
    print(json.dumps(does[sys.argv[1]](Path(sys.argv[2]))))
