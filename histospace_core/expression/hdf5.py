"""Inspect an HDF5 file before anything reads it.

An HDF5 file can refer to other files (external links, external storage, virtual datasets) and can
declare terabytes in a few kilobytes. Readers such as `anndata.read_h5ad` follow all of that, so a
user's file is first traversed without following a link or reading a value.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 - registers zstd, Blosc, LZ4 and others with h5py

from histospace_core.errors import MeasurementError
from histospace_core.expression.foreign import refuse_foreign

MAX_OBJECTS = 20_000
MAX_BYTES = 16 * 2**30
ALWAYS_ALLOWED = 256 * 2**20  # bytes; the ratio is checked only above this
MAX_RATIO = 1_100  # deflate compresses zeros about 1,030 to 1


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading after an inspection.

    Raises
    ------
    MeasurementError
        The file is not HDF5, damaged, refers to other files or declares absurd sizes, or a read
        inside the `with` block fails.
    """
    try:
        # a lock fails on some network file systems
        with h5py.File(path, "r", locking=False) as file:
            _inspect(file, path)
            yield file
    except (MeasurementError, MemoryError):  # lack of memory is not damage; the sandbox reports it
        raise
    except Exception as error:  # h5py and anndata raise whatever a hostile file provokes
        _refuse_no_hdf5(path)
        lacking = _lacking_filter(path)
        if lacking:
            raise MeasurementError(
                f"the file is compressed with a filter that is not installed here ({lacking})",
                path=path,
                remedy="save it again with gzip compression",
            ) from error
        raise MeasurementError(
            "the HDF5 file is damaged or not of the expected kind "
            f"({str(error).splitlines()[0][:120] if str(error) else type(error).__name__})",
            path=path,
            remedy="export it again",
        ) from error


def _refuse_no_hdf5(path: Path) -> None:
    """Name a file that bears the name of HDF5 only, such as a web page or an empty file."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError:
        return
    if not start:
        raise MeasurementError("the file is empty", path=path, remedy="copy it again")
    refuse_foreign(start, path)


def _lacking_filter(path: Path) -> str:
    """Return the name of a compression that cannot be read here, "" if there is none."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            for _, item in _walk(file, path):
                if not isinstance(item, h5py.Dataset):
                    continue
                filters = item.id.get_create_plist()
                for i in range(filters.get_nfilters()):
                    code, _, _, name = filters.get_filter(i)
                    if not h5py.h5z.filter_avail(code):
                        return f"{name.decode('utf-8', 'replace')[:60].strip()} {code}".strip()
    except Exception:
        return ""
    return ""


def _inspect(file: h5py.File, path: Path) -> None:
    allowed = min(MAX_BYTES, max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size))
    declared = 0
    for count, (name, item) in enumerate(_walk(file, path)):
        if count >= MAX_OBJECTS:
            raise MeasurementError(
                f"more than {MAX_OBJECTS:,} objects, so not a file of spatial transcriptomics.",
                path=path,
            )
        if isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                raise MeasurementError(
                    f"{name} keeps its values in another file (virtual dataset or external "
                    "storage)",
                    path=path,
                    remedy="save the data inside the file",
                )
            # an empty dataset has no shape
            declared += item.size * item.dtype.itemsize if item.shape is not None else 0
            if declared > allowed:
                raise MeasurementError(
                    f"{name} declares far more data than the file holds "
                    f"({declared / 2**30:,.0f} GB in {path.stat().st_size / 2**20:,.2f} MB).",
                    path=path,
                )


def _walk(file: h5py.File, source: Path) -> Iterator[tuple[str, h5py.HLObject]]:
    """Yield every object once; refuse all but hard links."""
    # not visititems, which passes over links without a word
    groups: list[h5py.Group] = [file]
    seen: set[int] = set()
    while groups:
        group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue  # a group can contain itself
        seen.add(address)
        for key in group:
            name = f"{group.name.rstrip('/')}/{key}"
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise MeasurementError(
                    f"{name[:80]} is a link to another place or file",
                    path=source,
                    remedy="save the data inside the file",
                )
            item = group[key]
            yield name[:80], item
            if isinstance(item, h5py.Group):
                groups.append(item)
