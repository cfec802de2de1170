"""The positions of spots as Space Ranger writes them: CSV or parquet, with or without a header."""

import csv
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from histospace_core.errors import MeasurementError
from histospace_core.expression.flags import NO, YES
from histospace_core.expression.foreign import refuse_foreign
from histospace_core.expression.packed import open_unpacked
from histospace_core.expression.tables import open_text, parse_numbers

POSITIONS = ("tissue_positions.parquet", "tissue_positions.csv", "tissue_positions_list.csv")
COLUMNS = [
    "barcode",
    "in_tissue",
    "array_row",
    "array_col",
    "pxl_row_in_fullres",
    "pxl_col_in_fullres",
]
# of Seurat, which names the columns of a file that has no header
SYNONYMS = {
    "barcodes": "barcode",
    "tissue": "in_tissue",
    "row": "array_row",
    "col": "array_col",
    "imagerow": "pxl_row_in_fullres",
    "imagecol": "pxl_col_in_fullres",
}
MAX_ROWS = 20_000_000  # Visium HD at 2 um has 11 million


def read_positions(path: Path) -> pd.DataFrame:
    """Read a position file of any Space Ranger version, indexed by barcode.

    Columns are found by name if there is a header, and by place if there is none.

    Returns
    -------
    DataFrame of float64 with the columns `COLUMNS[1:]`; `in_tissue` is 0 or 1, pixel positions are
    in level-0 px and missing (NaN) only where `in_tissue` is 0.

    Raises
    ------
    MeasurementError
        A column is missing, a value is not what its column holds, or a barcode is listed twice.
    """
    try:
        with open_unpacked(path) as file:
            start = file.read(512)
        if not start:
            raise MeasurementError("the file is empty", path=path, remedy="copy it again")
        if start.startswith(b"PAR1"):
            table = _read_parquet(path)
        else:
            refuse_foreign(start, path)
            table = _read_csv(path)
    # pyarrow's and pandas' own errors are ValueErrors or OSErrors
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException, csv.Error) as error:
        raise MeasurementError(
            "the file is not a table of barcode, in_tissue, array and pixel positions "
            f"({str(error).splitlines()[0][:100] if str(error) else type(error).__name__})",
            path=path,
            remedy="use the file as Space Ranger wrote it",
        ) from error
    table = table[COLUMNS].set_index("barcode")
    table.index = table.index.astype(str).str.strip()
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise MeasurementError(f"barcode {twice} is listed more than once.", path=path)
    under = _in_tissue(table["in_tissue"], path)
    numbers = {name: _numbers(table[name], under == 1, path) for name in COLUMNS[2:]}
    return pd.DataFrame({"in_tissue": under, **numbers})


def read_agreeing(paths: list[Path]) -> pd.DataFrame:
    """Read the position files of one section, which must say the same.

    Raises
    ------
    MeasurementError
        A file cannot be read, or two differ.
    """
    first = read_positions(paths[0])
    for path in paths[1:]:
        difference = _difference(first, read_positions(path))
        if difference:
            same_folder = path.parent == paths[0].parent
            where = "the same folder" if same_folder else f"the folder {paths[0].parent.name}"
            raise MeasurementError(
                f"differs from {paths[0].name} in {where} ({difference})",
                path=path,
                remedy="keep the one that belongs to the counts",
            )
    return first


def _difference(first: pd.DataFrame, other: pd.DataFrame) -> str:
    """Say what two tables of positions do not agree in, "" if they agree."""
    if len(other) != len(first) or not other.index.isin(first.index).all():
        return "other barcodes"
    for name in COLUMNS[1:]:
        # one version rounds pixels to whole numbers, another does not
        most = 1.0 if name.startswith("pxl") else 0.0
        there, here = (table.loc[first.index, name].to_numpy() for table in (first, other))
        apart = ~np.isclose(there, here, atol=most, rtol=0, equal_nan=True)
        if apart.any():
            return f"column {name} of barcode {first.index[int(apart.argmax())][:40]}"
    return ""


def _read_parquet(path: Path) -> pd.DataFrame:
    parquet = pq.ParquetFile(path)
    if parquet.metadata.num_rows > MAX_ROWS:  # a few bytes can declare billions
        raise ValueError("more rows than any slide has spots")
    table = parquet.read().to_pandas()
    if table.index.name is not None:
        table = table.reset_index()
    return _named(table, [str(name) for name in table.columns], path)


def _read_csv(path: Path) -> pd.DataFrame:
    with open_text(path) as file:
        start = file.readline(2**16)
        separator = max(",;\t", key=start.count)
        row = next(csv.reader([start], delimiter=separator), [])
        has_header = len(row) > 1 and row[1].strip().casefold() not in YES | NO
        file.seek(0)
        table = pd.read_csv(
            file,
            sep=separator,
            header=0 if has_header else None,
            dtype=str,
            nrows=MAX_ROWS,
            keep_default_na=False,
            index_col=False,
        )
    if has_header:
        return _named(table, row, path)
    if table.shape[1] != len(COLUMNS):
        raise ValueError(f"{table.shape[1]} columns and no header, not {len(COLUMNS)}")
    return table.set_axis(COLUMNS, axis=1)


def _named(table: pd.DataFrame, names: list[str], path: Path) -> pd.DataFrame:
    found = [unicodedata.normalize("NFC", name).strip().casefold() for name in names]
    found = [SYNONYMS.get(name, name) for name in found]
    if found and found[0] in ("", "unnamed: 0", "index", "__index_level_0__"):
        found[0] = "barcode"  # pandas and R leave the name of an index empty
    missing = [name for name in COLUMNS if found.count(name) != 1]
    if missing:
        raise MeasurementError(
            f"there is no column {missing[0]} among {', '.join(n.strip()[:40] for n in names[:12])}"
            if missing[0] not in found
            else f"there are several columns {missing[0]}",
            path=path,
            remedy=f"name the columns {', '.join(COLUMNS)}",
        )
    return table.set_axis(found, axis=1)


def _in_tissue(column: pd.Series, path: Path) -> pd.Series:
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        said = column.astype(float).map({0.0: 0.0, 1.0: 1.0})
    else:
        words = column.astype(str).str.strip().str.casefold()
        said = words.map({**dict.fromkeys(YES, 1.0), **dict.fromkeys(NO, 0.0)})
    _require(said.notna(), column, "0 or 1", path)
    return said.astype(float)


def _numbers(column: pd.Series, needed: pd.Series, path: Path) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.astype(float)
        empty = numbers.isna()
    else:
        words = column.astype(str).str.strip()
        empty = words.str.casefold().isin(["", "na", "nan", "none"])
        words = words.mask(empty, "nan")
        names = [f"column {column.name} of barcode {barcode[:40]}" for barcode in words.index]
        numbers = pd.Series(parse_numbers(words.tolist(), names, path), words.index)
    _require(np.isfinite(numbers) | (empty & ~needed), column, "a number", path)
    return numbers


def _require(sound: pd.Series, column: pd.Series, expected: str, path: Path) -> None:
    if not sound.all():
        barcode = sound.index[~sound][0]
        raise MeasurementError(
            f"column {column.name} of barcode {barcode[:40]} is "
            f"'{str(column[~sound].iloc[0])[:40]}', not {expected}",
            path=path,
            remedy="use the file as Space Ranger wrote it",
        )
