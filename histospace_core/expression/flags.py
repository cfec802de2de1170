"""Yes or no in a table of another program: 1, TRUE, yes and their opposites."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import MeasurementError

YES = frozenset({"1", "1.0", "1,0", "true", "t", "yes", "y"})
NO = frozenset({"0", "0.0", "0,0", "false", "f", "no", "n"})


def read_flags(
    values: Iterable[object], column: str, rows: Sequence[str], path: Path
) -> NDArray[np.bool_]:
    """Return the flag of each row.

    Parameters
    ----------
    values
        One value a row: a number, a truth value or text.
    column, rows, path
        Name of the column, names of the rows, and the file, for error messages.

    Raises
    ------
    MeasurementError
        A value is neither yes nor no.
    """
    words = [str(value).strip().lower() for value in values]
    for row, word in zip(rows, words, strict=True):
        if word not in YES and word not in NO:
            raise MeasurementError(
                f"{column} of spot {row} is {word[:40]!r}, which is neither 1 (TRUE, yes) nor "
                "0 (FALSE, no)",
                path=path,
                remedy="correct the column",
            )
    return np.array([word in YES for word in words], dtype=bool)
