"""Read measured spatial transcriptomics of any supported format as AnnData."""

from pathlib import Path

from anndata import AnnData

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts, assemble
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.expression.isolated import read_isolated
from histospace_core.expression.legacy import read_legacy

MAGIC = {b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\x89HDF": "hdf5"}  # PK 5 6: an empty zip


def read_measured(
    path: str | Path, spots: str | Path | None = None, choice: Choice = ONLY
) -> AnnData:
    """Read measured ST of one section.

    Parameters
    ----------
    path
        A Space Ranger folder or a zip of it; an `.h5ad` with `obsm["spatial"]`; or a legacy ST
        table of counts (`.tsv`, `.tsv.gz`), which needs `spots`. The content decides, not the name.
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
    kind = _kind(path)
    if kind == "table":
        # text cannot crash its reader, so it needs no child process
        return assemble(_read_table(path, spots))
    if spots is not None:
        raise MeasurementError(
            "the file has its own positions",
            path=path,
            remedy=f"leave out --spots {Path(spots).name}, which belongs to a legacy ST table",
        )
    if kind == "hdf5" and path.suffix == ".h5":
        raise MeasurementError(
            "a 10x matrix has no positions",
            path=path,
            remedy="give the Space Ranger folder (or a zip of it) that holds this file and the "
            "`spatial` folder",
        )
    return assemble(read_isolated(path, kind, choice))


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folder"
    try:
        with path.open("rb") as handle:
            start = handle.read(4)
    except OSError as error:
        raise MeasurementError(f"the file cannot be read ({error.strerror}).", path=path) from error
    if not start:
        raise MeasurementError("the file is empty.", path=path)
    return MAGIC.get(start, "table")


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
    return read_legacy(path, Path(spots))
