"""Which files make up a slide, and the hash that identifies it."""

import re
from pathlib import Path

from histospace_core.errors import SlideError
from histospace_core.files import content_sha256

# StudyInstanceUID and, right after it, SeriesInstanceUID. The pair stands together at the top level
# of a DICOM file only; items that refer to other series have another order.
_SERIES = re.compile(
    rb"\x20\x00\x0d\x00UI..[\d.]+\0?\x20\x00\x0e\x00UI..(?P<series>[\d.]+)", re.DOTALL
)
_HEADER = 1 << 18  # bytes that hold both


def slide_files(path: Path) -> list[Path]:
    """Return all files of a slide, in an order that depends on their names only.

    A slide is one file; or an `.mrxs` file and its folder of data; or a DICOM series, given by its
    folder or by any of its files.
    """
    if path.is_dir():
        return _series(dicom_instance(path))
    folder = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and folder.is_dir():
        return [path, *sorted(p for p in folder.iterdir() if p.is_file())]
    return _series(path)


def slide_sha256(path: Path) -> str:
    """Return the SHA-256 of a slide: of all its files, one after the other.

    It identifies a slide wherever one is recorded: in a catalog, in `run.json`, and among the
    training sections of a model package. Files that have not changed are read once.
    """
    return content_sha256(*slide_files(path))


def dicom_instance(folder: Path) -> Path:
    """Return one instance of the DICOM slide in a folder; OpenSlide finds the others.

    Raises
    ------
    SlideError
        There is none.
    """
    instances = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".dcm", ".dicom"))
    if not instances:
        raise SlideError(
            "a folder without DICOM files", path=folder, remedy="give the slide's file"
        )
    return instances[0]


def _series(path: Path) -> list[Path]:
    """Return the files of the DICOM series that a file belongs to; any other file is alone."""
    series = _series_uid(path)
    if series is None:
        return [path]
    return sorted(p for p in path.parent.iterdir() if p.is_file() and _series_uid(p) == series)


def _series_uid(path: Path) -> bytes | None:
    if not path.is_file():  # the reader says so
        return None
    with path.open("rb") as file:
        header = file.read(_HEADER) if file.read(132).endswith(b"DICM") else b""
    found = _SERIES.search(header)
    return found.group("series") if found else None
