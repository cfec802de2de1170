"""Read tables of text as any program writes them: separators, quotes, encodings, decimal commas."""

import csv
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.packed import open_unpacked

LONGEST_LINE = 64 * 2**20  # characters; 100,000 genes fit many times
LARGEST_TABLE = 4 * 2**30  # characters after decompression: a guard against gzip bombs
UTF_16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
QUOTED = re.compile(r'"[^"]*"')
DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+(?:[eE][+-]?\d+)?$")
# 1,234 is 1234 in English and 1.234 in German
EITHER = re.compile(r"^[+-]?[1-9]\d{0,2},\d{3}$")


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a file of text, packed with gzip or not, in UTF-8 or UTF-16; the content decides.

    Raises
    ------
    MeasurementError
        The file cannot be read or is not text; also for a read inside the `with` block.
    """
    try:
        with open_unpacked(path) as content:
            start = content.read(2)
            content.seek(0)
            encoding = UTF_16.get(start) or ("utf-16-le" if start[1:] == b"\0" else "utf-8-sig")
            with io.TextIOWrapper(content, encoding=encoding) as handle:
                yield handle
    except (OSError, EOFError, UnicodeError, zlib.error) as error:
        raise MeasurementError(
            f"the file cannot be read as a table ({_reason(error)}).", path=path
        ) from error


def read_line(handle: IO[str], source: Path) -> str:
    """Return the next line without its end; "" only at the end of the file.

    Raises
    ------
    MeasurementError
        The line is longer than any table's.
    """
    while line := handle.readline(
        LONGEST_LINE
    ):  # without a limit, a file in one line is read whole
        if len(line) == LONGEST_LINE:
            raise MeasurementError(
                "a line has over 64 million characters, so this is not an ST table.", path=source
            )
        if line.strip():
            return line.rstrip("\r\n")
    return ""


def find_separator(header: str) -> str:
    """Return what separates the names of a header: tab, semicolon, comma or blank."""
    bare = QUOTED.sub("", header)
    return next((mark for mark in "\t;, " if mark in bare), "\t")


def split_line(line: str, separator: str, source: Path) -> list[str]:
    """Return the cells of a line without quotes and surrounding blanks.

    Raises
    ------
    MeasurementError
        The quotes are broken.
    """
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        (cells,) = csv.reader([line], delimiter=separator)
    except (csv.Error, ValueError) as error:
        raise MeasurementError(
            f"the file cannot be read as a table (broken quotes in {line[:40]!r}).", path=source
        ) from error
    return [cell.strip() for cell in cells]


def parse_numbers(cells: Sequence[str], names: Sequence[str], source: Path) -> NDArray[np.float64]:
    """Return cells as numbers; a decimal comma is understood where it is not a thousands mark.

    Parameters
    ----------
    cells
        Cells that one program wrote in one form: a row or a column.
    names
        What each cell is, such as "row 3 (10x14), column ERBB2", for error messages.
    source
        The file, for error messages.

    Raises
    ------
    MeasurementError
        A cell is not a number, or means one number in English and another in German.
    """
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        pass
    commas = [bool(DECIMAL_COMMA.match(cell)) for cell in cells]
    points = any("." in cell for cell in cells)
    sure = not points and any(
        comma and not EITHER.match(cell) for cell, comma in zip(cells, commas, strict=True)
    )
    numbers = np.empty(len(cells))
    for i, (cell, comma) in enumerate(zip(cells, commas, strict=True)):
        if comma and not sure:
            raise MeasurementError(
                f"{names[i]} is {cell!r}, which is one number with a decimal comma and another "
                "with a thousands mark",
                path=source,
                remedy="write numbers with a decimal point and without thousands marks",
            )
        try:
            numbers[i] = float(cell.replace(",", ".") if comma else cell)
        except ValueError as error:
            raise MeasurementError(
                f"{names[i]} is {cell[:40]!r}, a cell that is not a number.", path=source
            ) from error
    return numbers


def read_table(path: Path) -> tuple[list[str], list[str], sparse.csr_matrix]:
    """Read a delimited table of numbers row by row; return row names, column names, CSR matrix.

    The header may have a corner cell or not.

    Raises
    ------
    MeasurementError
        The table is not text, ragged or larger than any section, or a cell is not a number.
    """
    with open_text(path) as handle:
        header = read_line(handle, path)
        separator = find_separator(header)
        columns = split_line(header, separator, path)
        names: list[str] = []
        # sparse row by row, because the dense table may not fit in memory
        indices, values, indptr, size = [], [], [0], len(header)
        while line := read_line(handle, path):
            size += len(line)
            if size > LARGEST_TABLE:
                raise MeasurementError(
                    "the table is larger than 4 GB", path=path, remedy="give one section"
                )
            name, *cells = split_line(line, separator, path)
            if not names and len(cells) == len(columns) - 1:
                columns = columns[1:]  # the corner cell
            row = _row(cells, columns, f"row {len(names) + 1} ({name[:40]})", path)
            (filled,) = row.nonzero()
            names.append(name)
            indices.append(filled)
            values.append(row[filled])
            indptr.append(indptr[-1] + len(filled))
    if not names:
        raise MeasurementError("the table has no rows of counts.", path=path)
    matrix = sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(indices), indptr), shape=(len(names), len(columns))
    )
    return names, columns, matrix


def _row(cells: list[str], columns: list[str], label: str, source: Path) -> NDArray[np.float64]:
    if len(cells) != len(columns) or not cells:
        raise MeasurementError(
            f"{label} has {len(cells)} values, but the header names {len(columns)} columns.",
            path=source,
        )
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:  # names are made only where one is needed
        return parse_numbers(cells, [f"{label}, column {c[:40]}," for c in columns], source)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "it is not text"
    return str(error).strip().splitlines()[0] if str(error).strip() else "it is incomplete"
