"""Read measured spatial transcriptomics of any supported format as AnnData."""

from pathlib import Path

import numpy as np
from anndata import AnnData

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts, assemble
from histospace_core.expression.choice import ONLY, Choice, refuse_unused
from histospace_core.expression.isolated import read_isolated
from histospace_core.expression.legacy import read_counts, read_legacy
from histospace_core.expression.recognise import recognise


def read_measured(
    path: str | Path, spots: str | Path | None = None, choice: Choice = ONLY
) -> AnnData:
    """Read measured ST of one section.

    Parameters
    ----------
    path
        A folder of Space Ranger or Xenium or a SpatialData store (`.zarr`), or a zip or tar
        of it; an `.h5ad` with `obsm["spatial"]`; or a legacy ST table of counts (`.tsv`,
        `.tsv.gz`), which needs `spots`. The content decides, not the name.
    spots
        Spot file of a legacy ST table; None otherwise.
    choice
        Which sample, bin size or library to read where there are several.

    Returns
    -------
    AnnData as described in `assemble.assemble`.

    Raises
    ------
    MeasurementError
        The files cannot be used; the message states why and what to do.
    """
    path = Path(path)
    if not path.exists():
        raise MeasurementError("there is no such file or folder.", path=path)
    kind = recognise(path)
    if kind == "table":
        refuse_unused(choice, (), path)
        # text cannot crash its reader, so it needs no child process
        return assemble(_read_table(path, spots))
    raw = read_isolated(path, kind, choice)  # first, because a file that has no positions says so
    if spots is not None:
        raise MeasurementError(
            "the file has its own positions",
            path=path,
            remedy=f"leave out --spots {Path(spots).name}, which belongs to a legacy ST table",
        )
    return assemble(raw)


def read_counts_alone(path: str | Path, choice: Choice = ONLY) -> AnnData:
    """Read the counts of a section whose image or positions are not to be had.

    Parameters
    ----------
    path
        As in `read_measured`; a legacy ST table needs no spot file, and the positions in the
        result are then those on the array.

    Returns
    -------
    AnnData as described in `assemble.assemble`.

    Raises
    ------
    MeasurementError
        The file cannot be used; the message states why and what to do.
    """
    path = Path(path)
    if not path.is_file() or recognise(path) != "table":
        return read_measured(path, choice=choice)
    refuse_unused(choice, (), path)
    spots, genes, counts, notes = read_counts(path)
    on_array = np.array([spot.split("x") for spot in spots], np.float64)
    return assemble(RawCounts(path, "legacy-st", counts, spots, genes, on_array, notes=notes))


def _read_table(path: Path, spots: str | Path | None) -> RawCounts:
    if spots is None:
        raise MeasurementError(
            "a table of counts has no positions",
            path=path,
            remedy="give its spot file too (on the command line: --spots)",
        )
    if not Path(spots).is_file():
        raise MeasurementError(
            "there is no such spot file", path=Path(spots), remedy="check --spots"
        )
    if recognise(Path(spots)) != "table":
        raise MeasurementError(
            "a spot file is a table of text, and this is none",
            path=Path(spots),
            remedy="give the spot file of the section, unpacked",
        )
    return read_legacy(path, Path(spots))
