"""List what else a file or folder of measured expression holds, by name and without values."""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import h5py

from histospace_core.errors import MeasurementError
from histospace_core.expression.hdf5 import open_hdf5
from histospace_core.files import is_hidden
from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.recognise import first_bytes

SHOWN = 12  # names in a line
_PERSONAL = re.compile(r"patient|donor|subject|birth|age$|sex$|ethnic|name$|mrn|barcode", re.I)
_GROUPS = ("layers", "obsm", "varm", "obsp", "uns", "uns/spatial")


def list_contents(path: Path, found: Inspection) -> None:
    """Add the names of what a folder, a zip archive or an HDF5 file holds."""
    if path.is_dir():
        files = (p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
        found.contents += _files(files)
        return
    kind = first_bytes(path)
    if kind == "zip archive":
        try:
            with zipfile.ZipFile(path) as archive:
                found.contents += _files(n for n in archive.namelist() if not n.endswith("/"))
        except (zipfile.BadZipFile, OSError):
            return  # the reader says so
    elif kind == "HDF5":
        try:
            with open_hdf5(path) as file:
                _hdf5(file, found)
        except MeasurementError:
            return  # as above


def _files(names: Iterable[str]) -> list[str]:
    """Return files by folder: those of one folder in one line."""
    folders: dict[str, list[str]] = {}
    for name in sorted(names):
        if not any(map(is_hidden, name.split("/"))):
            folder, _, file = name.rpartition("/")
            folders.setdefault(folder or ".", []).append(file)
    lines = [f"{folder}: {_some(files)}" for folder, files in folders.items()]
    more = [f"and {len(lines) - SHOWN:,} more folders"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _hdf5(file: h5py.File, found: Inspection) -> None:
    for key in ("X", "raw/X", "raw.X"):
        if key in file:
            found.contents.append(f"{key}: {_shape(file[key])}")
    for key in _GROUPS:
        group = file.get(key)
        if isinstance(group, h5py.Group) and len(group):
            found.contents.append(f"{key}: {_some([str(name)[:40] for name in group])}")
    for key in ("obs", "var"):
        table = file.get(key)
        names = table.dtype.names if isinstance(table, h5py.Dataset) else table
        columns = [str(name) for name in names or () if str(name) not in ("_index", "__categories")]
        if columns:
            found.contents.append(f"{key}: {_some([name[:40] for name in columns])}")
        if key == "obs" and (personal := [c for c in columns if _PERSONAL.search(c)]):
            found.withheld.append(f"values of the columns {_some(personal)}: present, not shown")


def _shape(item: h5py.HLObject) -> str:
    shape = item.shape if isinstance(item, h5py.Dataset) else item.attrs.get("shape", ())
    return " x ".join(f"{int(side):,}" for side in shape) or "of unknown shape"
