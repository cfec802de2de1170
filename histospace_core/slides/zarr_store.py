"""Open a zarr store of somebody else for reading: a folder, or a zip of one."""

import zipfile
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import LocalStore, ZipStore

from histospace_core.errors import SlideError
from histospace_core.slides.content import zip_root

_MAX_CHUNK = 1 << 30  # bytes
# Others may run code of the file (pickle), or are not of pixels.
_CODECS = {
    *("blosc", "bz2", "crc32", "crc32c", "gzip", "lz4", "lzma", "shuffle", "zlib", "zstd"),
    *("bytes", "delta", "sharding_indexed", "transpose"),
}


class _Folder(LocalStore):
    """A folder whose links lead nowhere else."""

    def _inside(self, key: str) -> None:
        if not (self.root / key).resolve().is_relative_to(self.root):
            raise ValueError("a part of it lies outside the folder")

    async def get(self, key: str, *arguments: Any, **named: Any) -> Any:
        self._inside(key)
        return await super().get(key, *arguments, **named)

    def get_sync(self, key: str, *arguments: Any, **named: Any) -> Any:
        self._inside(key)
        return super().get_sync(key, *arguments, **named)

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> Any:
        ranges = list(key_ranges)
        for key, _ in ranges:
            self._inside(key)
        return await super().get_partial_values(prototype, ranges)


def open_store(path: Path) -> zarr.Group:
    """Open the root of a zarr store, read-only; close its store when done.

    Raises
    ------
    SlideError
        It is a single array, or has a member too large to be a chunk.
    """
    if path.is_dir():
        store: LocalStore | ZipStore = _Folder(path.resolve(), read_only=True)
        inner = ""
    else:
        with zipfile.ZipFile(path) as packed:
            largest = max(member.file_size for member in packed.infolist())
        if largest > _MAX_CHUNK:
            raise SlideError(
                f"a member of the zip unpacks to {largest / 2**20:,.0f} MB",
                path=path,
                remedy="save the image in smaller chunks",
            )
        store, inner = ZipStore(path, mode="r"), zip_root(path)
    node = zarr.open(store, path=inner, mode="r", use_consolidated=False)
    if isinstance(node, zarr.Array):
        raise SlideError(
            "is a zarr array without the metadata of OME-Zarr",
            path=path,
            remedy="give the folder that holds its multiscales metadata",
        )
    return node


def open_level(group: zarr.Group, name: str, path: Path) -> zarr.Array | None:
    """Return an array of a group; None if it is missing.

    Raises
    ------
    SlideError
        Its name leads elsewhere, or its chunks are too large or coded in another way.
    """
    if not name or name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise SlideError(
            f"its level {name[:60]!r} lies outside the image",
            path=path,
            remedy="export it again",
        )
    found = group.get(name)
    if not isinstance(found, zarr.Array):
        return None
    unknown = sorted(_codecs(found.metadata.to_dict()) - _CODECS)
    if unknown:
        raise SlideError(
            f"its chunks are coded with '{unknown[0][:40]}', which is not read here",
            path=path,
            remedy="save it with blosc, gzip or zstd",
        )
    size = found.dtype.itemsize
    for side in found.chunks:
        size *= side
    if size > _MAX_CHUNK:
        raise SlideError(
            f"its chunks hold {size / 2**20:,.0f} MB each",
            path=path,
            remedy="save it in chunks of about 1,000 x 1,000 px",
        )
    return found


def _codecs(metadata: Any) -> set[str]:
    """Return the names of all codecs in the metadata of an array of either zarr version."""
    if isinstance(metadata, (list, tuple)):
        return set().union(*map(_codecs, metadata))
    if not isinstance(metadata, dict):
        return set()
    found: set[str] = set()
    for key in ("compressor", "filters", "codecs", "index_codecs"):
        for codec in _listed(metadata.get(key)):
            name = str(codec.get("id", codec.get("name", "?")))
            found.add(name.removeprefix("numcodecs."))
            found |= _codecs(codec.get("configuration", {}))
    return found


def _listed(codecs: Any) -> list[dict[str, Any]]:
    listed = codecs if isinstance(codecs, (list, tuple)) else [codecs]
    plain = (c.get_config() if hasattr(c, "get_config") else c for c in listed)
    return [c.to_dict() if hasattr(c, "to_dict") else c for c in plain if c]
