"""Spot files of legacy Spatial Transcriptomics, read by the names of their columns."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from histospace_core.errors import MeasurementError
from histospace_core.expression.flags import read_flags
from histospace_core.expression.tables import (
    LONGEST_LINE,
    find_separator,
    open_text,
    parse_numbers,
    read_line,
    split_line,
)

# positions that were floats in another program end in .0; R puts an X before a digit
SPOT_ID = re.compile(r"^X?(\d+)(?:\.0)?[x_](\d+)(?:\.0)?$")
NUMBER = re.compile(r"^-?\d+([.,]\d+)?$")
SPOT_COLUMNS = ("x", "y", "new_x", "new_y", "pixel_x", "pixel_y", "selected")
"""Columns of a spot file without a header, as the first ST pipelines wrote it."""
PIXELS = (
    ("pixel_x", "pixel_y"),
    ("pixelx", "pixely"),
    ("x_pixel", "y_pixel"),
    ("pxl_col_in_fullres", "pxl_row_in_fullres"),
    ("pxl_col", "pxl_row"),
    ("imagecol", "imagerow"),
    ("image_col", "image_row"),
)
"""Names of the pixel columns, x first; a row counts downwards, so it is y."""
ARRAY = (("x", "y"), ("array_col", "array_row"), ("col", "row"))
"""Names of the array columns, x first."""
FLAGS = ("selected", "in_tissue", "under_tissue", "tissue")


def read_spots(path: Path) -> pd.DataFrame:
    """Read a spot file by the names of its columns.

    A spot is named by a column of ids such as 10x14, or by array columns (`ARRAY`); its centre is
    in pixel columns (`PIXELS`; `X`, `Y` beside a column of ids). `FLAGS` mark the spots to keep.

    Returns
    -------
    DataFrame with `pixel_x`, `pixel_y`, `selected` (1 or 0), indexed by `XxY`.

    Raises
    ------
    MeasurementError
        A column is missing or contradicts another, a value is not a number, or a spot is listed
        twice.
    """
    table = _read(path)
    ids, array = _ids(table, path)
    x, y = _pixel_columns(table, ids, array, path)
    found = pd.DataFrame(
        {
            "pixel_x": _numbers(table[x], ids, path),
            "pixel_y": _numbers(table[y], ids, path),
            "selected": _selected(table, ids, path),
        },
        index=ids,
    )
    if found.index.has_duplicates:
        twice = found.index[found.index.duplicated()][0]
        raise MeasurementError(f"spot {twice} is listed more than once.", path=path)
    if array and array != ARRAY[0]:
        _refuse_exchanged(table, found, array, path)
    return found


def are_spots(names: Sequence[str]) -> bool:
    """Tell whether every name is an array position such as 10x14."""
    return bool(len(names)) and all(SPOT_ID.match(name.strip()) for name in names)


def spot_id(name: str) -> str:
    """Return the one spelling of an array position: `10.0_14` -> `10x14`."""
    match = SPOT_ID.match(name.strip())
    return f"{int(match.group(1))}x{int(match.group(2))}" if match else name


def plain(name: str) -> str:
    """Return a column's name in the spelling of the known names."""
    return re.sub(r"[\s.\-]+", "_", name.strip().lower())


def find_pixels(columns: Sequence[str], source: Path) -> list[tuple[str, str]]:
    """Return the pairs of pixel columns among plain names.

    Raises
    ------
    MeasurementError
        Only one column of a pair is there.
    """
    have = set(columns)
    for x, y in PIXELS:
        if (x in have) != (y in have):
            there, missing = (x, y) if x in have else (y, x)
            raise MeasurementError(
                f"the column {there} is there, but {missing} is not",
                path=source,
                remedy="give both",
            )
    return [pair for pair in PIXELS if pair[0] in have]


def _read(path: Path) -> pd.DataFrame:
    """Return the cells as text under plain names."""
    rows: list[list[str]] = []
    with open_text(path) as handle:
        separator = find_separator(header := read_line(handle, path))
        names = split_line(header, separator, path)
        size = 0
        while line := read_line(handle, path):
            rows.append(split_line(line, separator, path))
            size += len(line)
            if size > LONGEST_LINE:  # a small gzip can expand a thousandfold
                raise MeasurementError("the file is larger than any spot file.", path=path)
    if len(names) in (6, 7) and all(NUMBER.match(name) for name in names):
        rows.insert(0, names)
        names = list(SPOT_COLUMNS[: len(names)])
    if not rows:
        raise MeasurementError("the file is not a table of spots (it has no rows).", path=path)
    if len(rows[0]) == len(names) + 1:
        names = ["", *names]  # a header without the corner cell
    for i, row in enumerate(rows):
        if len(row) != len(names):
            raise MeasurementError(
                f"row {i + 1} ({row[0][:40]}) has {len(row)} values, but the header names "
                f"{len(names)} columns.",
                path=path,
            )
    table = pd.DataFrame(rows, columns=pd.Index([plain(n) for n in names]), dtype=object)
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise MeasurementError(
            f"the column {twice[0]!r} is there more than once",
            path=path,
            remedy="keep one of them",
        )
    return table


def _ids(table: pd.DataFrame, source: Path) -> tuple[list[str], tuple[str, str] | None]:
    """Return the ids of the spots, and the array columns that they come from, if any."""
    named = [c for c in table.columns if are_spots(table[c].tolist())]
    ids = [[spot_id(cell) for cell in table[c]] for c in named]
    if any(other != ids[0] for other in ids[1:]):
        raise MeasurementError(
            f"the columns {named[0]!r} and {named[1]!r} name different spots",
            path=source,
            remedy="keep one of them",
        )
    if ids:
        return ids[0], None
    pairs = [pair for pair in ARRAY if set(pair) <= set(table.columns)]
    if not pairs:
        raise _unknown(table, source)
    x, y = pairs[0]
    # a position between two spots is no id, so it must stay as it is
    return [spot_id(f"{a}x{b}") for a, b in zip(table[x], table[y], strict=True)], pairs[0]


def _pixel_columns(
    table: pd.DataFrame, ids: list[str], array: tuple[str, str] | None, source: Path
) -> tuple[str, str]:
    pairs = find_pixels(list(table.columns), source)
    if not pairs and array != ARRAY[0] and {"x", "y"} <= set(table.columns):
        beside = np.column_stack([_numbers(table[c], ids, source) for c in ("x", "y")])
        if _on_array(beside, ids):
            raise MeasurementError(
                "the columns x and y repeat the array position, and there is no pixel position",
                path=source,
                remedy=f"add {_known(PIXELS)}",
            )
        return "x", "y"
    if not pairs:
        raise _unknown(table, source)
    first = [_numbers(table[c], ids, source) for c in pairs[0]]
    for pair in pairs[1:]:
        for name, numbers, other in zip(pairs[0], first, pair, strict=True):
            (apart,) = np.nonzero(np.abs(_numbers(table[other], ids, source) - numbers) > 1)
            if len(apart):
                i = apart[0]
                raise MeasurementError(
                    f"{name} and {other} differ (spot {ids[i]}: {table[name][i]} and "
                    f"{table[other][i]}), so the position is not known",
                    path=source,
                    remedy="keep the columns that are in level-0 pixels",
                )
    return pairs[0]


def _on_array(positions: np.ndarray, ids: list[str]) -> bool:
    """Tell whether positions are those of the array, adjusted or not, which the ids name too."""
    if not are_spots(ids):
        return False
    named = np.array([spot.split("x") for spot in ids], dtype=np.float64)
    return bool((np.abs(positions - named) < 1).all())


def _unknown(table: pd.DataFrame, source: Path) -> MeasurementError:
    found = ", ".join(c or "(no name)" for c in table.columns[:8])
    return MeasurementError(
        f"the columns are not known by name (found {found}); expected the columns "
        f"{_known(ARRAY)} (or ids such as 10x14), and {_known(PIXELS)}",
        path=source,
        remedy="name them so; x is to the right and y, or a row, is downwards",
    )


def _known(pairs: Sequence[tuple[str, str]]) -> str:
    return " or ".join(f"{x}, {y}" for x, y in pairs)


def _numbers(column: pd.Series, ids: list[str], source: Path) -> np.ndarray:
    labels = [f"row {i + 1} ({spot}), column {column.name}," for i, spot in enumerate(ids)]
    numbers = parse_numbers(column.tolist(), labels, source)
    (odd,) = np.nonzero(~np.isfinite(numbers))
    if len(odd):
        raise MeasurementError(
            f"{labels[odd[0]]} is {column.iloc[odd[0]]!r}, which is missing or is not a number.",
            path=source,
        )
    return numbers


def _selected(table: pd.DataFrame, ids: list[str], source: Path) -> np.ndarray:
    there = [c for c in FLAGS if c in table.columns]
    if not there:
        return np.ones(len(table))
    flags = [read_flags(table[c], c, ids, source) for c in there]
    for name, other in zip(there[1:], flags[1:], strict=True):
        (apart,) = np.nonzero(other != flags[0])
        if len(apart):
            raise MeasurementError(
                f"{there[0]} and {name} differ (spot {ids[apart[0]]})",
                path=source,
                remedy="keep one of them",
            )
    return flags[0].astype(np.float64)


def _refuse_exchanged(
    table: pd.DataFrame, found: pd.DataFrame, array: tuple[str, str], source: Path
) -> None:
    """Refuse array columns that follow the pixels the other way round."""
    col, row = (_numbers(table[name], list(found.index), source) for name in array)
    if len(found) < 4 or np.ptp(col) == 0 or np.ptp(row) == 0:
        return
    x, y = found["pixel_x"].to_numpy(), found["pixel_y"].to_numpy()
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    along = abs(np.corrcoef(x, col)[0, 1]) + abs(np.corrcoef(y, row)[0, 1])
    across = abs(np.corrcoef(x, row)[0, 1]) + abs(np.corrcoef(y, col)[0, 1])
    if across > along:
        raise MeasurementError(
            f"the pixel x follows {array[1]}, not {array[0]}, so a spot such as "
            f"{found.index[0]} may be another one",
            path=source,
            remedy="add a column of ids such as 10x14, as the table of counts has them",
        )
