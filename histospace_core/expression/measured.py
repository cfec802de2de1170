"""Measured spatial transcriptomics, whatever the format, into one AnnData form."""

from pathlib import Path

from anndata import AnnData

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import assemble
from histospace_core.expression.legacy import read_legacy


def read_measured(path: str | Path, spots: str | Path | None = None) -> AnnData:
    """Read measured ST.

    Parameters
    ----------
    path
        Legacy ST counts (`.tsv`, `.tsv.gz`).
    spots
        Spot file of a legacy ST table.

    Returns
    -------
    AnnData as described in `assemble`.

    Raises
    ------
    MeasurementError
        The files cannot be used; the message says why and what to do.
    """
    path = Path(path)
    if not path.exists():
        raise MeasurementError(f"{path.name}: no such file or folder.")
    if spots is None:
        raise MeasurementError(
            f"{path.name}: a table of counts has no positions; name its spot file with --spots."
        )
    if not Path(spots).is_file():
        raise MeasurementError(f"{Path(spots).name}: no such spot file.")
    return assemble(read_legacy(path, Path(spots)))
