"""The columns of a spot file of legacy Spatial Transcriptomics, and the names they may have."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from histospace_core.errors import MeasurementError
from histospace_core.expression.tables import (
    LONGEST_LINE,
    find_separator,
    open_text,
    parse_numbers,
    read_line,
    split_line,
)

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
FLAGS = (
    *("selected", "is_selected", "in_tissue", "intissue", "is_in_tissue", "under_tissue"),
    *("on_tissue", "is_tissue", "tissue"),
)


def plain(name: str) -> str:
    """Return a column's name in the spelling of the known names."""
    bare = re.sub(r"[(\[] *(px|pixels?) *[)\]]$|\?$", "", name.strip().strip("'").lower())
    return re.sub(r"[\s.\-]+", "_", bare.strip())


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


def read_cells(path: Path) -> pd.DataFrame:
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
        _refuse_other_order(rows, path)
    elif _are_values(names):
        raise MeasurementError(
            f"the first line is {', '.join(names)[:80]!r}, which names no columns",
            path=path,
            remedy=f"add a line of names, such as {', '.join(SPOT_COLUMNS)}",
        )
    if not rows:
        raise MeasurementError("the file is not a table of spots (it has no rows).", path=path)
    if all(len(row) == len(names) + 1 and not row[-1] for row in rows):
        rows = [row[:-1] for row in rows]  # a separator at the end of each line but the header's
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


def _are_values(names: list[str]) -> bool:
    """Tell whether a first line holds values, unlike the numbers that pandas gives columns."""
    numbers = [float(name.replace(",", ".")) for name in names if NUMBER.match(name)]
    return len(numbers) > len(names) / 2 and max(numbers) >= len(names)


def _refuse_other_order(rows: list[list[str]], source: Path) -> None:
    """Refuse a file without names of columns whose third and fourth do not adjust the first two."""
    for i, (x, y, new_x, new_y, *_) in enumerate(rows):
        labels = [f"row {i + 1}, column {name}," for name in SPOT_COLUMNS[:4]]
        array = parse_numbers([x, y, new_x, new_y], labels, source)
        if not (np.abs(array[:2] - array[2:]) < 1).all():
            raise MeasurementError(
                f"there is no line of names, and row {i + 1} ({x}, {y}, {new_x}, {new_y}, ...) is "
                f"not in the order {', '.join(SPOT_COLUMNS)}",
                path=source,
                remedy="add a line of names",
            )


def unknown(table: pd.DataFrame, source: Path) -> MeasurementError:
    found = ", ".join(c or "(no name)" for c in table.columns[:8])
    return MeasurementError(
        f"the columns are not known by name (found {found}); expected the columns "
        f"{known(ARRAY)} (or ids such as 10x14), and {known(PIXELS)}",
        path=source,
        remedy="name them so; x is to the right and y, or a row, is downwards",
    )


def known(pairs: Sequence[tuple[str, str]]) -> str:
    return " or ".join(f"{x}, {y}" for x, y in pairs)
