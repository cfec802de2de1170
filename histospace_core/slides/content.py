"""Which files make up a slide, and the hash that identifies it."""

import re
import zipfile
from pathlib import Path

from histospace_core.archive import is_zip
from histospace_core.errors import SlideError
from histospace_core.files import content_sha256, is_hidden, visible_files

# StudyInstanceUID, directly followed by SeriesInstanceUID. The two are adjacent only at the top
# level of a DICOM file; items that refer to other series have another order.
# Explicit VR: two bytes of length follow UI. A UID is padded to an even length.
_SERIES = re.compile(
    rb"\x20\x00\x0d\x00UI..[\d.]+\0?\x20\x00\x0e\x00UI..(?P<series>[\d.]+)", re.DOTALL
)
_HEADER = 1 << 18  # bytes that hold both
_WHOLE_SLIDE = b"1.2.840.10008.5.1.4.1.1.77.1.6"  # its class, which the file's own header names
_ZARR = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


def slide_files(path: Path) -> list[Path]:
    """Return all files of a slide, in an order that depends only on their names.

    A slide is one file, an `.mrxs` file with its data folder, the folder of a zarr store, or a
    DICOM series, given by any of its files or by a folder of one or more series.
    """
    if path.is_dir() and is_zarr(path):
        return _zarr_files(path)
    if path.is_dir():
        dicom_instance(path)
        return dicom_files(path)
    folder = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and folder.is_dir():
        return [path, *sorted(p for p in folder.iterdir() if p.is_file())]
    return _series(path)


def slide_sha256(path: Path) -> str:
    """Return the SHA-256 of all files of a slide, concatenated.

    It identifies a slide in the catalog, in `run.json` and among the training sections of a model
    package. Unchanged files are read only once.
    """
    return content_sha256(*slide_files(path))


def dicom_instance(folder: Path) -> Path:
    """Return one instance of the DICOM slide in a folder; OpenSlide finds the others.

    Raises
    ------
    SlideError
        There is none.
    """
    instances = dicom_files(folder)
    if not instances:
        raise SlideError(
            "the folder has no DICOM files", path=folder, remedy="give the slide's file"
        )
    return instances[0]


def dicom_files(folder: Path) -> list[Path]:
    """Return the files of a folder that begin as DICOM does, whatever their names."""
    return [p for p in visible_files(folder) if is_dicom(p)]


def is_dicom(path: Path) -> bool:
    """Return whether a file has the mark of DICOM after its 128 free bytes."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def is_whole_slide_dicom(path: Path) -> bool:
    """Return whether a file is an instance of a DICOM whole slide, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(2048)
    return head[128:132] == b"DICM" and _WHOLE_SLIDE in head


def is_zarr(path: Path) -> bool:
    """Return whether a folder or a zip file holds a zarr store."""
    if path.is_dir():
        return any((path / mark).is_file() for mark in _ZARR)
    return bool(_zip_roots(path))


def zip_root(path: Path) -> str:
    """Return the folder in a zip file that is the zarr store; "" if the zip itself is.

    Raises
    ------
    SlideError
        There are several.
    """
    roots = _zip_roots(path)
    if len(roots) > 1:
        names = ", ".join(root[:80] for root in roots[:5])
        raise SlideError(
            f"the zip holds {len(roots)} slides ({names}), and one is read at a time",
            path=path,
            remedy="zip each by itself",
        )
    return roots[0] if roots else ""


def _zip_roots(path: Path) -> list[str]:
    """Return the folders in a zip file that are zarr stores and lie in no other."""
    if not path.is_file() or not is_zip(path):
        return []
    try:
        with zipfile.ZipFile(path) as packed:
            names = [name for name in packed.namelist() if not name.startswith("__MACOSX")]
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # unpacking it names the fault
        return []
    found = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in _ZARR}
    return sorted(r for r in found if not any(p in found for p in _above(r)))


def _above(folder: str) -> list[str]:
    """Return the folders above one of a zip; "" is the zip itself."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:i]) for i in range(len(parts))]


def _zarr_files(folder: Path) -> list[Path]:
    """Return the files of a zarr store; its own metadata have names that begin with a dot."""

    def kept(name: str) -> bool:
        return name.startswith(".z") or not is_hidden(name)

    files = (p for p in folder.rglob("*") if all(map(kept, p.relative_to(folder).parts)))
    return sorted(p for p in files if p.is_file())


def _series(path: Path) -> list[Path]:
    """Return the files of the DICOM series that a file belongs to, or just a file of no series."""
    series = _series_uid(path)
    if series is None:
        return [path]
    return [p for p in visible_files(path.parent) if _series_uid(p) == series]


def _series_uid(path: Path) -> bytes | None:
    if not path.is_file():  # opening the slide raises the error
        return None
    with path.open("rb") as file:
        # 128 free bytes and the mark DICM come before the data set.
        header = file.read(_HEADER) if file.read(132).endswith(b"DICM") else b""
    found = _SERIES.search(header)
    return found.group("series") if found else None
