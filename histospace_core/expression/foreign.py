"""Name files of other programs, and what takes the place of a file, by their first bytes."""

from pathlib import Path
from typing import NamedTuple

from histospace_core.errors import MeasurementError

TO_TABLE = "export the counts as .h5ad, or as a table of text with its spot file"
SLIDE = "give the measured counts; the slide is given apart"
R_OBJECT = (
    "an R object (RDS or RData), which only R reads",
    "in R, save the counts as .h5ad, or as a table of text with its spot file",
)
POINTER = (
    "a pointer of Git LFS or git-annex, without the content",
    "fetch the file itself (git lfs pull, or git annex get)",
)


class Foreign(NamedTuple):
    """A kind of file that holds no measurement that can be read."""

    start: bytes
    what: str
    remedy: str


FOREIGN = (
    Foreign(b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "save the sheet as CSV"),
    Foreign(b"%PDF", "a PDF document", TO_TABLE),
    Foreign(b"PAR1", "a Parquet table", TO_TABLE),
    Foreign(b"ARROW1", "a Feather (Arrow) table", TO_TABLE),
    Foreign(b"FEA1", "a Feather table", TO_TABLE),
    Foreign(b"\x93NUMPY", "a NumPy array without names of genes and spots", TO_TABLE),
    Foreign(b"SQLite format 3", "an SQLite database", TO_TABLE),
    Foreign(b"\x89PNG", "an image (PNG)", SLIDE),
    Foreign(b"\xff\xd8\xff", "an image (JPEG)", SLIDE),
    Foreign(b"II*\0", "an image (TIFF)", SLIDE),
    Foreign(b"MM\0*", "an image (TIFF)", SLIDE),
    Foreign(b"II+\0", "an image (BigTIFF)", SLIDE),
    Foreign(b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and give the folder"),
    Foreign(b"Rar!", "a RAR archive", "unpack it and give the folder"),
    Foreign(b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it first (zstd -d)"),
    Foreign(b"X\n\0\0", *R_OBJECT),
    Foreign(b"RDX", *R_OBJECT),
    Foreign(b"RDA", *R_OBJECT),
    Foreign(b"%%MatrixMarket", "a matrix without names and positions",
            "give the whole Space Ranger folder, with the `spatial` folder"),
    Foreign(b"version https://git-lfs", *POINTER),
    Foreign(b"/annex/objects/", *POINTER),
    Foreign(b"^SERIES", "a description of a GEO series, without counts",
            "download the supplementary files of the series"),
    Foreign(b"!Series_", "a series matrix of GEO, which describes samples and holds no spots",
            "download the supplementary files of the series"),
    Foreign(b"<", "a web page or an XML file",
            "download the file itself; a link may need a login"),
)  # fmt: skip


def refuse_foreign(start: bytes, path: Path) -> None:
    """Refuse a file whose first bytes are those of a kind that holds no measurement.

    Raises
    ------
    MeasurementError
        The sentence names the kind.
    """
    stripped = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    for kind in FOREIGN:
        if start.startswith(kind.start) or stripped.startswith(kind.start):
            raise refusal(kind.what, path, kind.remedy)


def refusal(what: str, path: Path, remedy: str) -> MeasurementError:
    """Return the error for a file that is something else."""
    return MeasurementError(f"the file is {what}", path=path, remedy=remedy)
