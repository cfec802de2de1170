"""Recognise a file or folder by its content, before a reader is chosen for it."""

import gzip
import zlib
from pathlib import Path

from histospace_core.errors import MeasurementError
from histospace_core.expression.recognise import recognise as measurement_kind
from histospace_core.files import is_hidden
from histospace_core.slides.content import dicom_files, is_zarr

SLIDE = "slide"
MEASURED = "measured expression"
RUN = "run"
MODEL = "model package"
RESULT = "result of HistoSPACE"
COHORT = "cohort table"
ANNOTATIONS = "annotations"
JSON = "JSON file"
SPOTS = "spot positions"
TEXT = "text"
UNKNOWN = "unknown"

HEAD = 2**16  # bytes
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"\x89HDF", "HDF5"),
    (b"PK\x03\x04", "zip archive"),
    (b"PK\x05\x06", "empty zip archive"),
    (b"PAR1", "Parquet table"),
    (b"ZISRAW", "Zeiss CZI image"),
    (b"%PDF", "PDF document"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ", "xz archive"),
    (b"7z\xbc\xaf", "7z archive"),
    (b"Rar!", "RAR archive"),
    (b"\x28\xb5\x2f\xfd", "zstd archive"),
    (b"\xd0\xcf\x11\xe0", "document of Microsoft Office before 2007"),
)
_IMAGES = {"PNG image", "JPEG image", "TIFF", "BigTIFF", "DICOM", "Zeiss CZI image"}
_POSITIONS = ("pxl_row", "pxl_col", "pixel_x", "pixel_y", "imagerow", "imagecol", "in_tissue")


def recognise(path: Path) -> str:
    """Return what a file or folder seems to be, one of the constants of this module."""
    if path.is_dir():
        return _folder({entry.name for entry in path.iterdir()}, path)
    first = first_bytes(path)
    if first in _IMAGES:
        return SLIDE
    if first == "empty":
        return UNKNOWN
    if first == "zip archive" and is_zarr(path):
        return SLIDE
    if "text" in first:
        return _text(unpacked_head(path))
    try:
        kind = measurement_kind(path)
    except MeasurementError:
        return MEASURED  # whose reader names the kind
    # binary, and no table: perhaps a format of a scanner
    return SLIDE if kind == "table" and first.startswith("binary") else MEASURED


def first_bytes(path: Path) -> str:
    """Return the kind of file that the first bytes state."""
    head = _head(path)
    if not head:
        return "empty"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[257:262] == b"ustar":
        return "tar archive"
    if head.startswith(b"\x1f\x8b"):
        inside = unpacked_head(path)
        if inside[257:262] == b"ustar":
            return "tar archive, compressed with gzip"
        return "text, compressed with gzip" if _is_text(inside) else "gzip archive"
    return "text" if _is_text(head) else "binary data of an unknown kind"


def unpacked_head(path: Path) -> bytes:
    """Return the first bytes of a file, after decompression if it is a gzip file."""
    if not _head(path).startswith(b"\x1f\x8b"):
        return _head(path)
    try:
        with gzip.open(path) as file:
            return file.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""


def columns(head: bytes) -> list[str]:
    """Return the cells of the first line of a table."""
    line = head.decode("utf-8-sig", "replace").splitlines()[0] if head.strip() else ""
    separator = next((mark for mark in "\t,;" if mark in line), "\t")
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _is_text(head: bytes) -> bool:
    if not head or b"\0" in head:
        return False
    try:
        # the last character may be cut in two
        head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _folder(names: set[str], path: Path) -> str:
    if names & {"run.json", "prediction.zarr", "prediction.partial.zarr", "unfinished"}:
        return RUN
    if {"config.json", "genes.csv"} <= names or "model.safetensors" in names:
        return MODEL
    if "summary.json" in names:
        return RESULT
    if names & {"zarr.json", ".zattrs", ".zgroup"}:
        return MEASURED if _is_spatialdata(path) or "tables" in names else SLIDE
    shown = [name.lower() for name in names if not is_hidden(name)]
    named = any(name.endswith((".dcm", ".dicom")) for name in shown)
    return SLIDE if named or dicom_files(path) else MEASURED


def _is_spatialdata(path: Path) -> bool:
    for name in ("zarr.json", ".zattrs"):
        if (path / name).is_file() and (path / name).stat().st_size < 64 * 2**20:
            return b"spatialdata" in (path / name).read_bytes()
    return False


def _text(head: bytes) -> str:
    start = head.decode("utf-8-sig", "replace").lstrip()
    if start.startswith(("{", "[")):
        return ANNOTATIONS if '"Feature' in start or start.startswith("[") else JSON
    names = [name.lower() for name in columns(head)]
    if {"section", "patient"} <= set(names):
        return COHORT
    if any(name.startswith(_POSITIONS) for name in names) and len(names) <= 20:
        return SPOTS
    # without a header, Space Ranger lists a barcode and five numbers
    if len(names) == 6 and names[1] in "01" and all(n.lstrip("-").isdigit() for n in names[1:]):
        return SPOTS
    return MEASURED if len(names) > 1 else TEXT
