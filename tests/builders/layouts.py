"""Lay out Space Ranger's files as programs and people do."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from builders.measured import BARCODES, POSITIONS, write_10x_h5, write_10x_mtx

MATRIX = "filtered_feature_bc_matrix"


def write_section(
    folder: Path, counts: np.ndarray, *, first_x: int = 500, spot: float = 89.4, prefix: str = ""
) -> Path:
    """Write counts, positions that begin at x = `first_x`, and scale factors."""
    (folder / "spatial").mkdir(parents=True)
    write_10x_h5(folder / f"{prefix}{MATRIX}.h5", counts)
    table = POSITIONS.assign(pxl_col_in_fullres=POSITIONS["pxl_col_in_fullres"] - 500 + first_x)
    table.to_csv(folder / "spatial/tissue_positions.csv", index=False)
    write_scales(folder / "spatial", spot)
    return folder


def write_scales(folder: Path, spot: float, **more: object) -> None:
    """Write scale factors into a folder."""
    content = {"spot_diameter_fullres": spot, "tissue_hires_scalef": 0.17, **more}
    (folder / "scalefactors_json.json").write_text(json.dumps(content))


def write_geo(folder: Path, prefix: str, counts: np.ndarray, first_x: int, spot: float) -> None:
    """Write a section as GEO keeps it: flat, each file with a prefix and packed with gzip."""
    write_section(folder / "s", counts, first_x=first_x, spot=spot)
    write_10x_mtx(folder / "m", counts)
    for path in (folder / "m").iterdir():
        path.rename(folder / f"{prefix}_{path.name}")
    table = pd.read_csv(folder / "s/spatial/tissue_positions.csv")
    with gzip.open(folder / f"{prefix}_tissue_positions_list.csv.gz", "wt") as file:
        table.to_csv(file, index=False, header=False)
    scales = (folder / "s/spatial/scalefactors_json.json").read_bytes()
    (folder / f"{prefix}_scalefactors_json.json.gz").write_bytes(gzip.compress(scales))
    shutil.rmtree(folder / "s")
    shutil.rmtree(folder / "m")


def write_hd(outs: Path, counts: np.ndarray) -> None:
    """Write three bin sizes; the counts are multiplied by 1, 2 and 3."""
    for k, size in enumerate(("002", "008", "016"), start=1):
        home = outs / f"binned_outputs/square_{size}um"
        write_section(home, counts * k, spot=7.3 * int(size) / 2)
        (home / "spatial/tissue_positions.csv").unlink()
        POSITIONS.to_parquet(home / "spatial/tissue_positions.parquet", index=False)


def write_aggregate(outs: Path, counts: np.ndarray, *, header: bool = True) -> None:
    """Write the output of `spaceranger aggr` for libraries LV123 and LB456.

    The second has twice the counts, and its positions begin at x = 7500.
    """
    outs.mkdir(parents=True, exist_ok=True)
    second = [barcode[:-1] + "2" for barcode in BARCODES]
    write_10x_h5(outs / f"{MATRIX}.h5", np.vstack([counts, counts * 2]), barcodes=BARCODES + second)
    moved = POSITIONS.assign(barcode=second, pxl_col_in_fullres=range(7500, 7560, 10))
    both = pd.concat([POSITIONS, moved])
    name = "aggr_tissue_positions.csv" if header else "aggr_tissue_positions_list.csv"
    both.to_csv(outs / name, index=False, header=header)
    libraries = {"library_id": ["LV123", "LB456"], "molecule_h5": ["a", "b"]}
    pd.DataFrame(libraries).to_csv(outs / "aggregation.csv", index=False)
    for number, (library, spot) in enumerate({"LV123": 89.4, "LB456": 120.0}.items(), start=1):
        (outs / "spatial" / library).mkdir(parents=True)
        write_scales(outs / "spatial" / library, spot, gem_id=number)
