"""Write SpatialData stores with spatialdata-io, and what spatialdata says of them.

``python spatialdata_reference.py FOLDER``; beside each store lies `NAME.npz` with the spots, genes,
counts and positions (level-0 px) by the library itself.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import spatialdata as sd
import spatialdata_io as sio
import squidpy as sq
from spatialdata._io.format import ShapesFormatV01, SpatialDataContainerFormatV01
from spatialdata.models import Image2DModel
from spatialdata.transformations import (
    Affine,
    MapAxis,
    Scale,
    Sequence,
    Translation,
    get_transformation_between_coordinate_systems,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders.spatial_outputs import write_he, write_visium, write_visium_hd, write_xenium

GENES = ["ERBB2", "COL1A1", "CD74", "KRT19", "ACTB"]
SIDE, TILE_UM = 1200, 88.32


def to_image(sdata: sd.SpatialData, element: str, image: str) -> np.ndarray:
    """Return the library's matrix from an element to the pixels of an image."""
    found = get_transformation_between_coordinate_systems(sdata, sdata[element], sdata[image])
    return found.to_affine_matrix(("x", "y"), ("x", "y"))


def save(path: Path, spots, genes, counts, centres) -> None:
    """Write a reference beside a store."""
    np.savez(
        path.with_suffix(".npz"),
        spots=np.array(spots, str),
        genes=np.array(genes, str),
        counts=np.asarray(counts, float),
        centres=np.asarray(centres, float),
    )


def centroids(sdata: sd.SpatialData, element: str, system: str) -> pd.DataFrame:
    """Return the library's centroids in a coordinate system."""
    frame = sd.get_centroids(sdata[element], coordinate_system=system).compute()[["x", "y"]]
    return frame.set_axis(frame.index.astype(str))


def spots(path: Path, sdata: sd.SpatialData, table: str, element: str, system: str) -> None:
    """Save a table of spots as the library sees it."""
    adata = sdata.tables[table]
    adata = adata[adata.obs["region"] == element]
    places = centroids(sdata, element, system).loc[adata.obs[key(adata)].astype(str)]
    save(path, adata.obs_names, adata.var_names, adata.X.toarray(), places)


def key(adata) -> str:
    """Return the column of the instances."""
    return adata.uns["spatialdata_attrs"]["instance_key"]


def tiles(places: np.ndarray, counts: pd.DataFrame, side: float):
    """Sum rows in tiles with pandas."""
    grid = np.floor(places / side).astype(int)
    inside = (grid >= 0).all(1)
    frame = counts[inside].groupby([grid[inside, 1], grid[inside, 0]]).sum()
    frame = frame[frame.sum(1) > 0]
    rows = np.array(frame.index.tolist())
    return [f"x{x}y{y}" for y, x in rows], frame, (rows[:, ::-1] + 0.5) * side


def visium(folder: Path) -> None:
    """Visium in three versions of the format, with a picture, and two sections in one store."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(5, (60, len(GENES))) + 1
    centres = rng.uniform(100, SIDE - 100, (60, 2))
    write_visium(folder / "visium", counts, centres, GENES)

    table = sq.read.visium(folder / "visium", library_id="S1")
    places, values = table.obsm["spatial"], table.X.toarray()
    save(folder / "squidpy.zarr", table.obs_names, table.var_names, values, places)

    def read(name: str) -> sd.SpatialData:
        return sio.visium(folder / "visium", dataset_id=name)

    sdata = read("S1")
    sdata.write(folder / "visium3.zarr")
    sdata.write(folder / "geoarrow.zarr", shapes_geometry_encoding="geoarrow")
    sdata.write(folder / "visium2.zarr", sdata_formats=SpatialDataContainerFormatV01())
    first = [SpatialDataContainerFormatV01(), ShapesFormatV01()]
    sdata.write(folder / "visium1.zarr", sdata_formats=first)
    for name in ("visium3", "geoarrow", "visium2", "visium1"):
        spots(folder / f"{name}.zarr", sdata, "table", "S1", "S1")

    sdata = read("S1")
    steps = Sequence([
        Scale([2.0, 2.0], axes=("x", "y")),
        MapAxis({"x": "y", "y": "x"}),
        Affine([[0.9, 0.1, 5], [-0.1, 0.9, 200], [0, 0, 1]], ("x", "y"), ("x", "y")),
        Translation([7.0, -3.0], axes=("y", "x")),
    ])  # fmt: skip
    pixels = np.full((3, SIDE, SIDE), 230, np.uint8)
    sdata["photo"] = Image2DModel.parse(pixels, dims=("c", "y", "x"), transformations={"S1": steps})
    sdata.write(folder / "moved.zarr")
    adata = sdata["table"]
    places = centroids(sdata, "S1", "S1").loc[adata.obs["spot_id"].astype(str)].to_numpy()
    inverse = np.linalg.inv(steps.to_affine_matrix(("x", "y"), ("x", "y")))
    places = np.c_[places, np.ones(len(places))] @ inverse.T
    save(folder / "moved.zarr", adata.obs_names, adata.var_names, adata.X.toarray(), places[:, :2])

    both = sd.concatenate({"a": read("S1"), "b": read("S2")}, concatenate_tables=True)
    both.write(folder / "two.zarr")
    spots(folder / "two.zarr", both, "table", "S2-b", "S2-b")


def visium_hd(folder: Path) -> None:
    """Visium HD of two bin sizes."""
    rng = np.random.default_rng(2)
    bins = {}
    for size, n in ((8, 90), (16, 40)):
        bins[size] = (rng.poisson(4, (n, len(GENES))) + 1, rng.uniform(50, SIDE - 50, (n, 2)))
    write_visium_hd(folder / "hd", bins, GENES)
    sdata = sio.visium_hd(folder / "hd", dataset_id="S1", load_segmentations_only=False)
    sdata.write(folder / "hd.zarr")
    spots(folder / "hd.zarr", sdata, "square_008um", "S1_square_008um", "S1")


def xenium(folder: Path) -> None:
    """Xenium with transcripts, and with cells as outlines or circles."""
    made = write_xenium(folder / "xenium", GENES, side_px=SIDE)
    write_he(folder / "xenium", np.full((SIDE, SIDE, 3), 230, np.uint8))
    without = dict.fromkeys(("nucleus_boundaries", "nucleus_labels", "morphology_focus"), False)
    sdata = sio.xenium(folder / "xenium", **without)
    sdata.write(folder / "transcripts.zarr")
    matrix = to_image(sdata, "transcripts", "he_image")
    side = TILE_UM * np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    points = sdata["transcripts"].compute()
    points = points[(points["qv"] >= 20) & points["feature_name"].isin(made.genes)]
    counts = pd.get_dummies(points["feature_name"].astype(str))[made.genes].astype(float)
    places = np.c_[points[["x", "y"]].to_numpy(float), np.ones(len(points))] @ matrix.T
    names, frame, centres = tiles(places[:, :2], counts.reset_index(drop=True), side)
    save(folder / "transcripts.zarr", names, made.genes, frame, centres)

    for name, circles in (("outlines", False), ("circles", True)):
        sdata = sio.xenium(
            folder / "xenium", transcripts=False, cells_as_circles=circles, **without
        )
        sdata.write(folder / f"{name}.zarr")
        element = "cell_circles" if circles else "cell_boundaries"
        adata = sdata["table"]
        frame = pd.DataFrame(adata.X.toarray(), columns=adata.var_names)
        where = centroids(sdata, element, "global").loc[adata.obs["cell_id"].astype(str)].to_numpy()
        he = sd.transformations.get_transformation(sdata["he_image"], "global")
        inverse = np.linalg.inv(he.to_affine_matrix(("x", "y"), ("x", "y")))
        places = np.c_[where, np.ones(len(where))] @ inverse.T
        names, frame, centres = tiles(places[:, :2], frame, side)
        save(folder / f"{name}.zarr", names, adata.var_names, frame, centres)

    del sdata.images["he_image"]
    sdata.write(folder / "no_slide.zarr")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    visium(out)
    visium_hd(out)
    xenium(out)
