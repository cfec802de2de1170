"""10x Visium: the output folder of Space Ranger, or a zip of it."""

import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from histospace_core.errors import MeasurementError
from histospace_core.expression.archive import unpack
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.expression.tenx import Matrix, read_10x_h5, read_10x_mtx

POSITIONS = ("tissue_positions.parquet", "tissue_positions.csv", "tissue_positions_list.csv")
COLUMNS = [
    "barcode",
    "in_tissue",
    "array_row",
    "array_col",
    "pxl_row_in_fullres",
    "pxl_col_in_fullres",
]
MATRICES = ("filtered_feature_bc_matrix", "raw_feature_bc_matrix")
MAX_ROWS = 20_000_000  # Visium HD at 2 um has 11 million
DEPTH = 4  # levels of folders that are searched


def read_spaceranger_zip(path: Path, choice: Choice = ONLY) -> RawCounts:
    """Unpack a zip safely into a temporary folder and read it as a Space Ranger folder."""
    with tempfile.TemporaryDirectory(prefix="histospace-") as folder:
        unpack(path, Path(folder))
        return read_spaceranger(Path(folder), choice, source=path)


def read_spaceranger(folder: Path, choice: Choice = ONLY, source: Path | None = None) -> RawCounts:
    """Read a Space Ranger folder: counts, positions (all three variants), spot diameter.

    Files are searched in the folder and a few levels below it, so a flat folder works as well as
    one that contains `outs/`. Only spots with `in_tissue` 1 are kept.

    Raises
    ------
    MeasurementError
        A file is missing or damaged, or counts and positions share no barcode.
    """
    source = source or folder
    positions_file = _find(folder, POSITIONS)
    if positions_file is None:
        raise MeasurementError(
            f"no {POSITIONS[1]} (or {POSITIONS[2]} or .parquet) was found",
            path=source,
            remedy="give the Space Ranger folder with its `spatial` folder",
        )
    positions = read_positions(positions_file)
    counts, barcodes, ids, names = _read_counts(folder, source)

    under = positions[positions["in_tissue"] == 1]
    keep = [i for i, barcode in enumerate(barcodes) if barcode in under.index]
    if not keep:
        raise MeasurementError(
            f"counts and {positions_file.name} have no barcode under tissue in common",
            path=source,
            remedy="give files of one section",
        )
    notes = []
    if len(keep) < len(barcodes):
        notes.append(
            f"{len(barcodes) - len(keep)} barcodes are not under tissue and were left out."
        )
    if len(keep) < len(under):
        notes.append(f"{len(under) - len(keep)} spots under tissue have no counts.")
    spots = [barcodes[i] for i in keep]
    return RawCounts(
        source=source,
        kind="space-ranger",
        counts=counts[keep],
        spots=spots,
        names=names,
        gene_ids=ids,
        # the file has the row before the column, and x is the column
        centres=under.loc[spots, ["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(np.float64),
        notes=notes,
        spot_diameter=_spot_diameter(folder),
    )


def read_positions(path: Path) -> pd.DataFrame:
    """Read a position file of any Space Ranger version, indexed by barcode.

    Raises
    ------
    MeasurementError
        The file does not have six columns, a value is not a number, or a barcode is listed twice.
    """
    try:
        if path.suffix == ".parquet":
            table = _read_parquet(path)
        else:
            table = pd.read_csv(path, header=None, dtype=str, nrows=MAX_ROWS)
            if str(table.iloc[0, 0]).strip().lower() == "barcode":  # newer versions have a header
                table = table.iloc[1:].set_axis(table.iloc[0].str.strip(), axis=1)
            elif table.shape[1] == len(COLUMNS):
                table.columns = COLUMNS
        table = table[COLUMNS].set_index("barcode")
        table = table.apply(pd.to_numeric).astype(float)
    except (OSError, ValueError, KeyError, IndexError, TypeError, zlib.error) as error:
        raise MeasurementError(
            "the file is not a table of barcode, in_tissue, array and pixel positions",
            path=path,
            remedy="use the file as Space Ranger wrote it",
        ) from error
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise MeasurementError(f"barcode {twice} is listed more than once.", path=path)
    return table


def _read_parquet(path: Path) -> pd.DataFrame:
    parquet = pq.ParquetFile(path)
    if parquet.metadata.num_rows > MAX_ROWS:  # a few bytes can declare billions
        raise ValueError("more rows than any slide has spots")
    return parquet.read().to_pandas().reset_index()


def _read_counts(folder: Path, source: Path) -> Matrix:
    for matrix in MATRICES:
        # the public files of 10x begin with the name of the section
        file = _find(folder, (f"{matrix}.h5", f"*{matrix}.h5"))
        if file is not None:
            return read_10x_h5(file)
        table = _find(folder, tuple(f"{matrix}/matrix.mtx{gz}" for gz in (".gz", "")))
        if table is not None:
            return read_10x_mtx(table)
    raise MeasurementError(
        f"no {MATRICES[0]}.h5 and no folder {MATRICES[0]} found",
        path=source,
        remedy="give the Space Ranger folder with its counts",
    )


def _spot_diameter(folder: Path) -> float | None:
    path = _find(folder, ("scalefactors_json.json",))
    if path is None or path.stat().st_size > 2**20:  # a real one has a few hundred bytes
        return None
    try:
        return float(json.loads(path.read_text())["spot_diameter_fullres"])
    except (ValueError, KeyError, TypeError):
        return None  # it only sets the size at which spots are drawn


def _find(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Return the shallowest file of one of these names, or None."""
    for depth in range(DEPTH):
        for name in names:
            # the order of glob depends on the file system
            found = sorted(p for p in folder.glob("*/" * depth + name) if p.is_file())
            if found:
                return found[0]
    return None
