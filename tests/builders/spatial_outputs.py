"""Folders as Space Ranger and the Xenium Analyzer write them, which spatialdata-io reads too."""

import gzip
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import tifffile
import zarr
from PIL import Image
from scipy import sparse

PIXEL_SIZE = 0.2125
CONTROLS = ("NegControlProbe_00042", "NegControlCodeword_0500", "BLANK_0001")
KINDS = ("Negative Control Probe", "Negative Control Codeword", "Unassigned Codeword")


class Xenium(NamedTuple):
    """What a Xenium folder was made of: positions in um, H&E pixels to morphology pixels."""

    transcripts: pd.DataFrame
    cells: pd.DataFrame
    counts: np.ndarray
    genes: list[str]
    alignment: np.ndarray


def turned(scale: float, shift: tuple[float, float]) -> np.ndarray:
    """Return a quarter turn with a scale, as Xenium Explorer exports it for a turned slide."""
    return np.array([[0.01, scale, shift[0]], [-scale, 0.01, shift[1]], [0.0, 0.0, 1.0]])


def write_xenium(
    folder: Path,
    genes: list[str],
    *,
    side_px: int = 1200,
    mpp: float = 0.5,
    seed: int = 0,
    n_cells: int = 400,
    molecules: int = 40_000,
    disc: tuple[float, float, float] | None = None,
) -> Xenium:
    """Write a folder of Xenium Onboard Analysis 3 with the alignment of its H&E image.

    Parameters
    ----------
    disc
        Centre and radius of the tissue, pixels of the H&E image; the whole image by default.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    scale = mpp / PIXEL_SIZE
    alignment = turned(scale, (50.0, side_px * scale + 80.0))

    def to_um(pixels: np.ndarray) -> np.ndarray:
        whole = np.c_[pixels, np.ones(len(pixels))] @ alignment.T
        return whole[:, :2] * PIXEL_SIZE

    places = rng.uniform(20, side_px - 20, (n_cells, 2))
    if disc is not None:
        angle, reach = rng.uniform(0, 2 * np.pi, n_cells), np.sqrt(rng.uniform(0, 1, n_cells))
        places = np.array(disc[:2]) + disc[2] * (reach * [np.cos(angle), np.sin(angle)]).T
    centres = to_um(places)
    names = np.array([*genes, *CONTROLS])
    weights = np.r_[rng.uniform(0.2, 1, len(genes)), np.full(len(CONTROLS), 0.03)]
    cell = rng.integers(0, n_cells, molecules)
    feature = rng.choice(len(names), molecules, p=weights / weights.sum())
    places = centres[cell] + rng.normal(0, 4, (molecules, 2))
    ids = _cell_ids(n_cells)
    transcripts = pd.DataFrame(
        {
            "transcript_id": np.arange(molecules, dtype=np.uint64),
            "cell_id": ids[cell],
            "overlaps_nucleus": np.zeros(molecules, np.uint8),
            "feature_name": names[feature],
            "x_location": places[:, 0].astype(np.float32),
            "y_location": places[:, 1].astype(np.float32),
            "z_location": np.full(molecules, 12.0, np.float32),
            "qv": rng.choice([12.0, 20.0, 40.0], molecules, p=[0.2, 0.1, 0.7]).astype(np.float32),
        }
    )
    good = transcripts["qv"].to_numpy() >= 20
    counts = np.zeros((n_cells, len(names)), np.int64)
    np.add.at(counts, (cell[good], feature[good]), 1)
    cells = pd.DataFrame(
        {
            "cell_id": ids,
            "x_centroid": centres[:, 0],
            "y_centroid": centres[:, 1],
            "transcript_counts": counts[:, : len(genes)].sum(1),
            "cell_area": rng.uniform(40, 90, n_cells),
            "nucleus_area": rng.uniform(10, 30, n_cells),
        }
    )
    transcripts.to_parquet(folder / "transcripts.parquet", index=False)
    cells.to_parquet(folder / "cells.parquet", index=False)
    _write_boundaries(folder / "cell_boundaries.parquet", ids, centres)
    _write_features(folder / "cell_feature_matrix.h5", counts, list(ids), genes)
    _write_cells_zarr(folder / "cells.zarr.zip", n_cells, centres)
    (folder / "experiment.xenium").write_text(
        json.dumps(
            {
                "major_version": 5,
                "run_name": "generated",
                "region_name": "one",
                "num_cells": n_cells,
                "pixel_size": PIXEL_SIZE,
                "analysis_sw_version": "xenium-3.0.0.15",
                "panel_num_targets_predesigned": len(genes),
            }
        )
    )
    pd.DataFrame(alignment).to_csv(
        folder / "S1_he_imagealignment.csv", index=False, header=False, float_format="%.17g"
    )
    return Xenium(transcripts, cells, counts[:, : len(genes)], genes, alignment)


def write_he(folder: Path, pixels: np.ndarray, name: str = "S1") -> Path:
    """Write the aligned H&E image beside the Xenium files."""
    path = folder / f"{name}_he_image.ome.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", metadata={"axes": "YXS"}, tile=(256, 256))
    return path


def _cell_ids(count: int) -> np.ndarray:
    letters = "abcdefghijklmnop"
    return np.array(
        ["".join(letters[(i >> shift) & 15] for shift in range(28, -1, -4)) + "-1"
         for i in range(count)]
    )  # fmt: skip


def _write_boundaries(path: Path, ids: np.ndarray, centres: np.ndarray) -> None:
    ring = np.array([(-4, -4), (4, -4), (4, 4), (-4, 4), (-4, -4)], float)
    sizes = 0.5 + np.arange(len(ids)) % 5 / 5  # cells differ in size
    points = (centres[:, None] + ring * sizes[:, None, None]).reshape(-1, 2)
    pd.DataFrame(
        {
            "cell_id": np.repeat(ids, 5),
            "vertex_x": points[:, 0],
            "vertex_y": points[:, 1],
            "label_id": np.repeat(np.arange(1, len(ids) + 1), 5),
        }
    ).to_parquet(path, index=False)


def _write_features(path: Path, counts: np.ndarray, cells: list[str], genes: list[str]) -> None:
    csr = sparse.csr_matrix(counts)
    controls = CONTROLS[: counts.shape[1] - len(genes)]
    names = [*genes, *controls]
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = csr.data, csr.indices, csr.indptr
        group["shape"] = np.array(csr.shape[::-1])
        group["barcodes"] = np.array(cells, dtype="S")
        features = group.create_group("features")
        features["id"] = np.array(
            [*(f"ENSG{i:011d}" for i in range(len(genes))), *controls], dtype="S"
        )
        features["name"] = np.array(names, dtype="S")
        kinds = ["Gene Expression"] * len(genes) + list(KINDS[: len(controls)])
        features["feature_type"] = np.array(kinds, dtype="S")
        features["genome"] = np.array(["GRCh38"] * len(names), dtype="S")


def _write_cells_zarr(path: Path, count: int, centres: np.ndarray) -> None:
    with zarr.storage.ZipStore(path, mode="w") as store:
        root = zarr.create_group(store, zarr_format=2)
        ids = np.c_[np.arange(count), np.ones(count)].astype(np.uint32)
        root.create_array("cell_id", data=ids)
        columns = [
            "cell_centroid_x", "cell_centroid_y", "cell_area", "nucleus_centroid_x",
            "nucleus_centroid_y", "nucleus_area", "z_level", "nucleus_count",
        ]  # fmt: skip
        summary = np.c_[centres, np.zeros((count, 6))]
        root.create_array("cell_summary", data=summary, attributes={"column_names": columns})
        masks = root.create_group("masks")
        pixels = np.zeros((400, 400), np.uint32)
        pixels.ravel()[: count * 4] = np.repeat(np.arange(1, count + 1), 4)
        for kind in ("0", "1"):
            masks.create_array(kind, data=pixels)
            sets = root.require_group("polygon_sets").create_group(kind)
            sets.create_array("cell_index", data=np.arange(count, dtype=np.uint32))


def gzip_of(path: Path) -> Path:
    """Write a file again as `.gz`."""
    packed = path.with_name(path.name + ".gz")
    with path.open("rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    return packed


def write_visium(
    folder: Path, counts: np.ndarray, centres: np.ndarray, genes: list[str], diameter: float = 60.0
) -> None:
    """Write the output of Space Ranger 2 with small tissue images."""
    spatial = folder / "spatial"
    spatial.mkdir(parents=True)
    table = _positions(centres)
    _write_features(folder / "filtered_feature_bc_matrix.h5", counts, list(table.barcode), genes)
    table.to_csv(spatial / "tissue_positions.csv", index=False)
    _write_scales(spatial, {"spot_diameter_fullres": diameter})
    for name, side in (("hires", 120), ("lowres", 40)):
        Image.new("RGB", (side, side), "pink").save(spatial / f"tissue_{name}_image.png")


def write_visium_hd(
    folder: Path,
    bins: dict[int, tuple[np.ndarray, np.ndarray]],
    genes: list[str],
    *,
    mpp: float = 0.5,
) -> None:
    """Write the output of Space Ranger 3 for Visium HD.

    Parameters
    ----------
    bins
        Counts and centres (level-0 px) of each bin size in um.
    """
    for size, (counts, centres) in bins.items():
        part = folder / "binned_outputs" / f"square_{size:03}um"
        (part / "spatial").mkdir(parents=True)
        table = _positions(centres)
        _write_features(part / "filtered_feature_bc_matrix.h5", counts, list(table.barcode), genes)
        table.to_parquet(part / "spatial" / "tissue_positions.parquet", index=False)
        _write_scales(
            part / "spatial",
            {
                "spot_diameter_fullres": size / mpp,
                "bin_size_um": float(size),
                "microns_per_pixel": mpp,
            },
        )
    unit = list(np.eye(3).ravel())
    names = ("cytassist", "microscope")
    matrices = {f"{n}_colrow_to_spot_colrow": unit for n in names} | {
        f"spot_colrow_to_{n}_colrow": unit for n in names
    }
    layout = json.dumps({"transform": unit, "file_format": "1.0"})
    with h5py.File(folder / "feature_slice.h5", "w") as file:
        file.attrs["metadata_json"] = json.dumps(
            {"hd_layout_json": layout, "transform_matrices": matrices}
        )


def _positions(centres: np.ndarray) -> pd.DataFrame:
    count = len(centres)
    return pd.DataFrame(
        {
            "barcode": [f"s_{i:05}_{i % 7:05}-1" for i in range(count)],
            "in_tissue": np.ones(count, np.int64),
            "array_row": np.arange(count) // 10,
            "array_col": np.arange(count) % 10,
            "pxl_row_in_fullres": centres[:, 1],
            "pxl_col_in_fullres": centres[:, 0],
        }
    )


def _write_scales(folder: Path, scales: dict[str, float]) -> None:
    whole = {"tissue_hires_scalef": 0.1, "tissue_lowres_scalef": 0.03, **scales}
    (folder / "scalefactors_json.json").write_text(json.dumps(whole))
