"""Inspect a zarr store before anything reads it.

A zarr store is a folder. It can hold links to files of the machine, declare terabytes in a few
bytes, or name a codec that runs code (pickle). So its files and metadata are checked first.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from histospace_core.errors import MeasurementError
from histospace_core.expression.hdf5 import ALWAYS_ALLOWED, MAX_BYTES, MAX_RATIO

MAX_FILES = 2_000_000
DEPTH = 4  # levels of folders that are searched for a store
MAX_METADATA = 64 * 2**20
ROOT_FILES = ("zarr.json", ".zgroup", ".zattrs")
CODECS = frozenset(
    {
        *("bytes", "transpose", "sharding_indexed", "vlen-utf8", "vlen-bytes", "shuffle", "delta"),
        *("fixedscaleoffset", "blosc", "zstd", "gzip", "zlib", "lz4", "lzma", "bz2"),
        *("crc32", "crc32c", "adler32"),
    }
)
Group = Any  # zarr's types do not tell a group's groups from its arrays
_PIXELS = ("images", "labels")  # only their metadata is read


def find_stores(folder: Path) -> list[Path]:
    """Return the outermost zarr stores of a folder, down to `DEPTH` levels of folders."""
    found: list[Path] = []
    for depth in range(DEPTH):
        for name in ROOT_FILES:
            for path in sorted(folder.glob("*/" * depth + name)):
                store = path.parent
                if store not in found and not any(other in store.parents for other in found):
                    found.append(store)
    return found


@contextmanager
def open_store(path: Path) -> Iterator[Group]:
    """Open a zarr store (version 2 or 3) for reading after an inspection.

    Raises
    ------
    MeasurementError
        The store has links, absurd sizes or unknown codecs, or a read inside the block fails.
    """
    try:
        _inspect(path)
        # the consolidated metadata could differ from what was inspected
        yield zarr.open_group(path, mode="r", use_consolidated=False)
    except (MeasurementError, MemoryError):
        raise
    except Exception as error:  # zarr and anndata raise whatever a damaged store provokes
        detail = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise MeasurementError(
            f"the zarr store is damaged or not of the expected kind ({detail})",
            path=path,
            remedy="write it again",
        ) from error


def _inspect(root: Path) -> None:
    files = 0
    held = declared = 0
    for folder, names, members in os.walk(root):
        for name in (*names, *members):
            file = Path(folder, name)
            status = file.lstat()
            files += 1
            if files > MAX_FILES:
                raise MeasurementError(
                    f"the store has more than {MAX_FILES:,} files",
                    path=root,
                    remedy="leave out the images",
                )
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                raise MeasurementError(
                    f"{file.relative_to(root)} is a link or a device, not a file",
                    path=root,
                    remedy="copy the store with its files",
                )
            pixels = file.relative_to(root).parts[0] in _PIXELS
            held += status.st_size if not pixels else 0
            if name in ("zarr.json", ".zarray"):
                size = _declared(file, root)
                declared += size if not pixels else 0
    if declared > min(MAX_BYTES, max(ALWAYS_ALLOWED, MAX_RATIO * held)):
        raise MeasurementError(
            f"the tables declare far more data than the store holds "
            f"({declared / 2**30:,.0f} GB in {held / 2**20:,.2f} MB).",
            path=root,
        )


def _declared(file: Path, root: Path) -> int:
    """Refuse codecs that are not known to be harmless, and return the bytes an array declares."""
    where = file.parent.relative_to(root)
    if file.stat().st_size > MAX_METADATA:
        raise MeasurementError(f"the metadata of {where} are too large.", path=root)
    meta = json.loads(file.read_text("utf-8"))
    if "shape" not in meta:
        return 0
    for codec in _codecs(meta):
        if codec not in CODECS:
            raise MeasurementError(
                f"{where} is compressed with '{codec[:40]}', which cannot be read here",
                path=root,
                remedy="write the store again with the codecs of zarr",
            )
    grid = meta.get("chunk_grid", {}).get("configuration", {})
    chunk = meta.get("chunks") or grid.get("chunk_shape") or [1]
    try:
        width = np.dtype(meta.get("dtype") or meta.get("data_type")).itemsize or 8
    except TypeError:  # text of any length
        width = 8
    # Python's whole numbers do not overflow
    return max(_product(meta["shape"]), _product(chunk)) * width


def _codecs(meta: dict[str, Any]) -> Iterator[str]:
    for codec in (meta.get("compressor"), *(meta.get("filters") or ())):  # version 2
        if codec is not None:
            yield str(codec["id"])
    yield from _named(meta.get("codecs") or ())


def _named(codecs: Any) -> Iterator[str]:
    for codec in codecs:
        yield str(codec["name"]).removeprefix("numcodecs.")
        inside = codec.get("configuration") or {}
        yield from _named(inside.get("codecs") or ())
        yield from _named(inside.get("index_codecs") or ())


def _product(shape: list[int]) -> int:
    product = 1
    for length in shape:
        product *= max(int(length), 0)
    return product
