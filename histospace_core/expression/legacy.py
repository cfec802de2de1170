"""Legacy Spatial Transcriptomics: a table of counts and a file of spot positions."""

import csv
import gzip
import io
import re
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts

# positions that were floats in another program end in .0
SPOT_ID = re.compile(r"^(\d+)(?:\.0)?[x_](\d+)(?:\.0)?$")
NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
SPOT_COLUMNS = ["x", "y", "new_x", "new_y", "pixel_x", "pixel_y", "selected"]
LONGEST_LINE = 64 * 2**20  # characters; 100,000 genes fit many times
LARGEST_TABLE = 4 * 2**30  # characters after decompression: a guard against gzip bombs


def read_legacy(counts: Path, spots: Path) -> RawCounts:
    """Read a counts table (rows `XxY`, columns genes; `.tsv` or `.tsv.gz`) and its spot file.

    The spot file has the columns `x y new_x new_y pixel_x pixel_y [selected]`, or an index
    `XxY` (or `X_Y`) with two pixel columns. Spots that have counts and are selected are kept. A
    transposed table (rows genes, columns spots) is accepted.

    Raises
    ------
    MeasurementError
        One of the files cannot be read, or no spot is in both.
    """
    rows, columns, matrix = read_table(counts)
    notes: list[str] = []
    if not _are_spots(rows) and _are_spots(columns):
        rows, columns, matrix = columns, rows, matrix.T.tocsr()
        notes.append("The table had genes in rows and was transposed.")
    if not _are_spots(rows):
        raise MeasurementError(
            f"rows are not named by an array position such as 10x14 (the first is {rows[0]!r})",
            path=counts,
            remedy="give a legacy ST table of spots x genes",
        )
    rows = [_spot_id(row) for row in rows]
    positions = read_spots(spots)
    selected = positions[positions["selected"] == 1]
    keep = [i for i, spot in enumerate(rows) if spot in selected.index]
    if not keep:
        raise MeasurementError(
            f"the table has no selected spot in common with {spots.name}",
            path=counts,
            remedy="give the spot file of the same section",
        )
    if len(keep) < len(rows):
        notes.append(
            f"{len(rows) - len(keep)} spots with counts are not under tissue and were left out."
        )
    uncounted = len(selected) - len(keep)
    if uncounted:
        notes.append(f"{uncounted} spots under tissue have no counts.")
    kept = [rows[i] for i in keep]
    return RawCounts(
        source=counts,
        kind="legacy-st",
        counts=matrix[keep],
        spots=kept,
        names=columns,
        centres=selected.loc[kept, ["pixel_x", "pixel_y"]].to_numpy(dtype=np.float64),
        notes=notes,
    )


def read_table(path: Path) -> tuple[list[str], list[str], sparse.csr_matrix]:
    """Read a delimited table of numbers row by row; return row names, column names, CSR matrix.

    Raises
    ------
    MeasurementError
        The table is not text, ragged or larger than any section, or a cell is not a number.
    """
    try:
        with _open_text(path) as handle:
            return _parse_table(handle, path)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise MeasurementError(
            f"the file cannot be read as a table ({_reason(error)}).", path=path
        ) from error


def _parse_table(handle: IO[str], source: Path) -> tuple[list[str], list[str], sparse.csr_matrix]:
    header = _line(handle, source)
    comma = "\t" not in header and "," in header
    separator = "," if comma else "\t"
    columns = [cell.strip().strip('"') for cell in header.rstrip("\r\n").split(separator)]
    names: list[str] = []
    # sparse row by row, because the dense table may not fit in memory
    indices, values, indptr, size = [], [], [0], len(header)
    while line := _line(handle, source):
        line = line.rstrip("\r\n")
        if not line.strip():
            continue
        size += len(line)
        if size > LARGEST_TABLE:
            raise MeasurementError(
                "the table is larger than 4 GB", path=source, remedy="give one section"
            )
        name, *cells = line.split(separator)
        if not names and len(cells) == len(columns) - 1:
            columns = columns[1:]  # the corner cell
        if len(cells) != len(columns) or not cells:
            raise MeasurementError(
                f"row {len(names) + 1} ({name[:40]}) has {len(cells)} values, but the header "
                f"names {len(columns)} columns.",
                path=source,
            )
        try:
            row = np.array(cells, dtype=np.float64)
        except ValueError as error:
            raise MeasurementError(
                f"row {len(names) + 1} ({name[:40]}) has a cell that is not a number.", path=source
            ) from error
        (filled,) = row.nonzero()
        names.append(name.strip().strip('"'))
        indices.append(filled)
        values.append(row[filled])
        indptr.append(indptr[-1] + len(filled))
    if not names:
        raise MeasurementError("the table has no rows of counts.", path=source)
    matrix = sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(indices), indptr), shape=(len(names), len(columns))
    )
    return names, columns, matrix


def read_spots(path: Path) -> pd.DataFrame:
    """Read a spot file; return pixel_x, pixel_y, selected, indexed by `XxY`.

    Raises
    ------
    MeasurementError
        Columns are missing, a value is not a number, or a spot is listed twice.
    """
    try:
        with _open_text(path) as handle:
            text = handle.read(LONGEST_LINE)  # a small gzip can expand a thousandfold
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise MeasurementError(f"the file cannot be read ({_reason(error)}).", path=path) from error
    table = _spot_table(text, path)
    found = _positions(table)
    if found is None:
        raise MeasurementError(
            "expected the columns x, y, pixel_x, pixel_y (and selected), or an index such as "
            f"10x14 with two pixel columns; found {', '.join(table.columns[:8])}.",
            path=path,
        )
    numbers = found.apply(pd.to_numeric, errors="coerce").astype(float)
    if numbers.isna().any(axis=None) or not np.isfinite(numbers.to_numpy()).all():
        raise MeasurementError("a position is missing or is not a number.", path=path)
    if numbers.index.has_duplicates:
        twice = numbers.index[numbers.index.duplicated()][0]
        raise MeasurementError(f"spot {twice} is listed more than once.", path=path)
    return numbers


def _spot_table(text: str, source: Path) -> pd.DataFrame:
    """Parse the text of a spot file; those of the first ST pipelines have no header."""
    first = text.split("\n", 1)[0]
    separator = "\t" if "\t" in first else ","
    bare = all(NUMBER.match(cell.strip()) for cell in first.split(separator))
    try:
        table = pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, header=None if bare else "infer"
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise MeasurementError(
            f"the file is not a table of spots ({_reason(error)}).", path=source
        ) from error
    if not isinstance(table.index, pd.RangeIndex):  # a header without the corner cell
        table = table.reset_index()
    if bare and table.shape[1] >= 6:
        table.columns = [*SPOT_COLUMNS, *map(str, range(7, table.shape[1]))][: table.shape[1]]
    table.columns = [str(c).strip().lower() for c in table.columns]
    return table


def _positions(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return index and pixel columns from any of the layouts in use; None if there are none."""
    columns = list(table.columns)
    if {"x", "y", "pixel_x", "pixel_y"} <= set(columns):
        index = [_spot_id(f"{x}x{y}") for x, y in zip(table["x"], table["y"], strict=True)]
        pixels = table[["pixel_x", "pixel_y"]]
    elif len(columns) >= 3 and len(table) and _are_spots(table.iloc[:, 0].astype(str).tolist()):
        index = [_spot_id(name) for name in table.iloc[:, 0]]
        named = [c for c in ("pixel_x", "pixel_y", "x", "y") if c in columns]
        pixels = table[named[:2] if len(named) >= 2 else columns[1:3]]
    else:
        return None
    found = pd.DataFrame(pixels.to_numpy(), columns=["pixel_x", "pixel_y"], index=index)
    found["selected"] = table["selected"].to_numpy() if "selected" in columns else "1"
    return found


def _spot_id(name: str) -> str:
    match = SPOT_ID.match(name.strip())
    return f"{int(match.group(1))}x{int(match.group(2))}" if match else name


def _are_spots(names: list[str]) -> bool:
    return all(SPOT_ID.match(name.strip()) for name in names)


def _open_text(path: Path) -> IO[str]:
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"  # the content decides, not the name
    if packed:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=None)
    return path.open(encoding="utf-8-sig")


def _line(handle: IO[str], source: Path) -> str:
    line = handle.readline(LONGEST_LINE)  # without a limit, a file without line ends is read whole
    if len(line) == LONGEST_LINE:
        raise MeasurementError(
            "a line has over 64 million characters, so this is not an ST table.", path=source
        )
    return line


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not text"
    return str(error).strip().splitlines()[0] if str(error).strip() else "it is incomplete"
