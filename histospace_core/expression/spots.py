"""Spot files of legacy Spatial Transcriptomics, read by the names of their columns."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from histospace_core.errors import MeasurementError
from histospace_core.expression.flags import read_flags
from histospace_core.expression.spot_columns import (
    ARRAY,
    FLAGS,
    PIXELS,
    SPOT_COLUMNS,
    find_pixels,
    known,
    read_cells,
    unknown,
)
from histospace_core.expression.tables import parse_numbers

# positions that were floats in another program end in .0; R puts an X before a digit
SPOT_ID = re.compile(r"^X?(\d+)(?:\.0)?[x_](\d+)(?:\.0)?$")


def read_spots(path: Path) -> pd.DataFrame:
    """Read a spot file by the names of its columns.

    A spot is named by a column of ids such as 10x14, or by array columns (`ARRAY`); its centre is
    in pixel columns (`PIXELS`; `X`, `Y` beside a column of ids). `FLAGS` mark the spots to keep.

    Returns
    -------
    DataFrame with `pixel_x`, `pixel_y`, `selected` (1 or 0), indexed by `XxY`; `attrs["notes"]`
    says what was not used or looks wrong.

    Raises
    ------
    MeasurementError
        A column is missing or contradicts another, a value is not a number, or a spot is listed
        twice.
    """
    table = read_cells(path)
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
    notes = []
    if array and array != ARRAY[0]:
        _refuse_exchanged(table, found, array, path)
    elif are_spots(ids) and _exchanged(found, np.array([i.split("x") for i in ids], np.float64)):
        notes.append(
            f"In {path.name}, {x} follows the second number of the spots' names, not the first: "
            "check that x is to the right."
        )
    used = {name for pair in (*ARRAY, *PIXELS) for name in pair} | {*FLAGS, *SPOT_COLUMNS, "", x, y}
    unused = [c for c in table.columns if c not in used and not _names_spots(table[c])]
    if unused:
        notes.append(f"Columns of {path.name} that were not used: {', '.join(unused)[:200]}.")
    found.attrs["notes"] = notes
    return found


def _names_spots(column: pd.Series) -> bool:
    return are_spots(column.tolist()) or column.is_unique  # a barcode, or a number of the row


def are_spots(names: Sequence[str]) -> bool:
    """Tell whether every name is an array position such as 10x14."""
    return bool(len(names)) and all(SPOT_ID.match(name.strip()) for name in names)


def spot_id(name: str) -> str:
    """Return the one spelling of an array position: `10.0_14` -> `10x14`."""
    match = SPOT_ID.match(name.strip())
    return f"{int(match.group(1))}x{int(match.group(2))}" if match else name


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
        raise unknown(table, source)
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
                remedy=f"add {known(PIXELS)}",
            )
        return "x", "y"
    if not pairs:
        raise unknown(table, source)
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
    beside = np.column_stack([_numbers(table[name], list(found.index), source) for name in array])
    if _exchanged(found, beside):
        raise MeasurementError(
            f"the pixel x follows {array[1]}, not {array[0]}, so a spot such as "
            f"{found.index[0]} may be another one",
            path=source,
            remedy="add a column of ids such as 10x14, as the table of counts has them",
        )


def _exchanged(found: pd.DataFrame, array: np.ndarray) -> bool:
    """Tell whether the pixels follow array positions (n, 2) the other way round."""
    pixels = found[["pixel_x", "pixel_y"]].to_numpy()
    if len(found) < 4 or not (np.ptp(array, axis=0) * np.ptp(pixels, axis=0)).all():
        return False
    r = np.abs(np.corrcoef(pixels.T, array.T)[:2, 2:])
    return bool(r[0, 1] + r[1, 0] > r[0, 0] + r[1, 1])
