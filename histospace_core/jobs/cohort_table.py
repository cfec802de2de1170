"""The table of a cohort to predict: one slide a row."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from histospace_core.errors import CohortError
from histospace_core.training.cohort import read_rows

COLUMNS = ("image", "section", "mpp", "series")
"""Columns that are used; only `image` is required. Others, such as `patient`, are left alone."""
_FORBIDDEN = set('/\\:*?"<>|\0')


@dataclass(frozen=True)
class CohortSlide:
    """A row: a slide, and why it cannot be predicted if its row is wrong.

    Attributes
    ----------
    name : str
        Name of the folder of its run: `section`, or else the file's name without its suffix.
    problem : str
        Empty if the row is right.
    """

    name: str
    image: Path
    mpp: float | None = None
    series: str | None = None
    problem: str = ""


def read_slides(table: Path) -> list[CohortSlide]:
    """Read a table of slides; paths are relative to it.

    A row that is wrong becomes a slide with a `problem`, so that it does not stop the others.

    Raises
    ------
    CohortError
        The table cannot be read, lacks the column `image`, or gives two slides one name.
    """
    rows = read_rows(table, COLUMNS, "cohort table", optional=COLUMNS[1:])
    # line 1 is the header
    slides = [_slide(table, line, row) for line, row in enumerate(rows, start=2)]
    name, times = Counter(s.name.casefold() for s in slides).most_common(1)[0]
    if times > 1:
        raise CohortError(
            f"'{table.name}' names {times} slides '{name}'; give each row a name of its own in the "
            "column section."
        )
    return slides


def _slide(table: Path, line: int, row: dict[str, str]) -> CohortSlide:
    text = {column: (row.get(column) or "").strip() for column in COLUMNS}
    image = table.parent / text["image"]
    name = text["section"] or Path(text["image"]).stem or f"line {line}"
    problem, mpp = "", None
    if not text["image"]:
        problem = f"line {line} of '{table.name}' names no image"
    elif not image.exists():
        problem = f"there is no file '{text['image']}' (line {line} of '{table.name}')"
    elif name.startswith(".") or set(name) & _FORBIDDEN:
        problem = f"'{name}' cannot be the name of a folder (line {line} of '{table.name}')"
    elif text["mpp"]:
        try:
            mpp = float(text["mpp"])
        except ValueError:
            mpp = math.nan
        if not (math.isfinite(mpp) and mpp > 0):
            problem = f"mpp '{text['mpp']}' is not a pixel size (line {line} of '{table.name}')"
    return CohortSlide(name, image.absolute(), mpp, text["series"] or None, problem)
