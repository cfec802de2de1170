"""Whether two count matrices of one folder say the same, so that either may be read.

All Visium slides of a version have the same barcodes, so barcodes alone prove nothing.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from histospace_core.errors import MeasurementError
from histospace_core.expression.tenx import Matrix, read_10x, read_barcodes

LARGEST = 64 * 2**20  # bytes; of a larger file, such as bins of Visium HD, only barcodes are read
# The raw matrix may hold probes that the filtered one leaves out.
MOST_APART = 0.01  # share of values


def require_same(matrix: Matrix, file: Path, other: Path, source: Path) -> None:
    """Refuse two forms of one matrix that do not hold the same counts.

    Parameters
    ----------
    matrix, file
        What was read, and the file it was read from.
    other
        The other form of it.
    source
        What the user gave, for error messages.

    Raises
    ------
    MeasurementError
        Barcodes, genes or counts differ.
    """
    same = set(read_barcodes(other)) == set(matrix.barcodes)
    if same and other.stat().st_size <= LARGEST:
        second = read_10x(other)
        same = set(second.ids) == set(matrix.ids) and _apart(matrix, second) == 0
    if not same:
        one, two = _names(file, other)
        raise MeasurementError(
            f"{one} and {two} are not the same matrix",
            path=source,
            remedy="keep the one that belongs to the positions",
        )


def require_within(matrix: Matrix, file: Path, raw: Path, source: Path) -> None:
    """Refuse a filtered matrix that was not made from the raw one beside it.

    Parameters are as for `require_same`.

    Raises
    ------
    MeasurementError
        The raw matrix lacks a barcode, or has other counts.
    """
    why = ""
    if not set(matrix.barcodes) <= set(read_barcodes(raw)):
        why = "has barcodes that {raw} has not"
    elif raw.stat().st_size <= LARGEST and _apart(matrix, read_10x(raw)) > MOST_APART:
        why = "has other counts than {raw} for the same barcodes"
    if why:
        one, two = _names(file, raw)
        raise MeasurementError(
            f"{one} {why.format(raw=two)}, so they are of different runs",
            path=source,
            remedy="keep the matrix that belongs to the positions",
        )


def _apart(matrix: Matrix, other: Matrix) -> float:
    """Return the share of counts that differ, over the genes and barcodes of `matrix`."""
    rows = pd.Index(other.barcodes).get_indexer(pd.Index(matrix.barcodes))
    ours, theirs = _numbered(matrix.ids), _numbered(other.ids)
    shared = ours.intersection(theirs)
    first = matrix.counts[:, ours.get_indexer(shared)]
    second = other.counts[rows][:, theirs.get_indexer(shared)]
    if not len(shared):
        return 1.0
    return float((first != second).nnz / max(first.nnz, second.nnz, 1))


def _numbered(ids: list[str]) -> pd.MultiIndex:
    """Return ids with a number, so that a repeated one is unique."""
    names = pd.Series(ids, dtype=object)
    return pd.MultiIndex.from_arrays([names, names.groupby(names).cumcount().astype(np.int64)])


def _names(file: Path, other: Path) -> tuple[str, str]:
    if other.parent == file.parent:
        return file.name, other.name
    return f"{file.parent.name}/{file.name}", f"{other.parent.name}/{other.name}"
