"""Choose one library of the output of `spaceranger aggr`.

`aggr` puts several capture areas into one matrix: the barcodes of the first row of its
`aggregation.csv` end in -1, those of the second in -2. Each capture area has its own pixels, so
only one is read. Source: "Space Ranger aggr outputs" in the documentation of 10x Genomics.
"""

import json
from pathlib import Path

import pandas as pd

from histospace_core.errors import MeasurementError
from histospace_core.expression.barcodes import suffixes
from histospace_core.expression.choice import choose
from histospace_core.expression.positions import read_agreeing
from histospace_core.expression.section_files import Section
from histospace_core.expression.tenx import Matrix

MAX_BYTES = 2**20  # of a table of a few libraries


def is_aggregated(section: Section, matrix: Matrix) -> bool:
    """Return whether the counts may be of several capture areas."""
    several = suffixes(matrix.barcodes).nunique() > 1
    return several or section.aggregation is not None or not section.positions


def read_library(
    section: Section, matrix: Matrix, library: str | None, source: Path
) -> tuple[Matrix, pd.DataFrame, list[Path]]:
    """Return counts, positions and scale factor files of one library.

    Raises
    ------
    MeasurementError
        There are several libraries and none is chosen, or the positions are not of all of them.
    """
    numbers = suffixes(matrix.barcodes)
    found = sorted(numbers.dropna().unique(), key=int) or ["1"]
    names = _names(section, found)
    wanted = choose("library", list(names.values()), library, source)
    number = next(number for number, name in names.items() if name == wanted)
    ours = section.by_library.get(wanted, [])
    if section.positions:
        positions = read_agreeing(section.positions)
        if len(found) > 1 and suffixes(positions.index).nunique() < 2:
            raise MeasurementError(
                f"the counts are of {len(found)} libraries, but {section.positions[0].name} is of "
                "one",
                path=source,
                remedy="give the output folder of one library",
            )
    else:
        files = [path for path in ours if "tissue_positions" in path.name.casefold()]
        if not files:
            raise MeasurementError(
                f"there are no positions of library '{wanted}'",
                path=source,
                remedy="give the output folder of that library",
            )
        positions = read_agreeing(files)
        # its own run numbered its barcodes -1
        positions.index = positions.index.str.replace(r"-1$", f"-{number}", regex=True)
    if len(found) > 1:
        keep = (numbers == number).to_numpy().nonzero()[0]
        matrix = Matrix(
            matrix.counts[keep],
            [matrix.barcodes[i] for i in keep],
            matrix.ids,
            matrix.names,
            [*matrix.notes, f"Library '{wanted}' was read, one of {len(found)}."],
        )
        positions = positions[(suffixes(positions.index) == number).to_numpy()]
    scales = [path for path in ours if "scalefactors" in path.name.casefold()]
    return matrix, positions, scales or ([] if len(found) > 1 else section.scales)


def _names(section: Section, numbers: list[str]) -> dict[str, str]:
    """Return the name of each library by the number behind its barcodes."""
    named = _from_table(section.aggregation) or _from_scales(section)
    if len(set(named.values())) < len(named):
        named = {}
    return {number: named.get(number, number) for number in numbers}


def _from_table(path: Path | None) -> dict[str, str]:
    if path is None or path.stat().st_size > MAX_BYTES:
        return {}
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, EOFError, ValueError):
        return {}  # the libraries go by number then
    columns = {str(name).strip().casefold(): name for name in table.columns}
    column = columns.get("library_id", columns.get("sample_id"))
    if column is None:
        return {}
    return {str(i): name.strip() for i, name in enumerate(table[column], start=1)}


def _from_scales(section: Section) -> dict[str, str]:
    """Read the numbers that `aggr` adds to the scale factors it copies."""
    named: dict[str, str] = {}
    for name, files in section.by_library.items():
        for path in files:
            if path.suffix == ".json" and path.stat().st_size < MAX_BYTES:
                try:
                    named[str(int(json.loads(path.read_text())["gem_id"]))] = name
                except (ValueError, KeyError, TypeError):
                    continue
    return named
