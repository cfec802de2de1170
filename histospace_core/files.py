"""Files and folders that appear whole or not at all, and the hash of their content."""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from histospace_core.errors import StoreError

FileVersion = tuple[Path, int, int]
"""Path, size in bytes and modification time in ns: a file is read again when one changes."""


@contextmanager
def atomic_write(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a new path beside `path` to write to; it takes the place of `path` at the end.

    If the block fails, nothing is left and `path` is as it was. A file replaces a file; a folder
    does not replace another folder that holds something.

    Parameters
    ----------
    path
        A file or a folder; the folder that holds it is made if absent.
    durable
        Whether the content must survive a power cut. Where the reader detects a torn file and can
        make it again, False saves the wait for the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:200]}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        if durable:
            move_into_place(part, path)
        else:
            part.replace(path)
    finally:
        with suppress(OSError):  # never written, or moved into place
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def move_into_place(source: Path, target: Path) -> None:
    """Rename a finished file or folder on one disk so that the result survives a power cut.

    A rename may reach the disk before the content does; so the content is flushed first.
    """
    if source.is_dir():
        for folder, _, names in os.walk(source):
            for name in names:
                _flush(Path(folder, name))
            _flush(Path(folder))
    else:
        _flush(source)
    source.replace(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    """Write what the system still holds of a file or a folder's listing to the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except (IsADirectoryError, PermissionError):  # Windows cannot open a folder
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # no such thing there
            raise
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file whole or not at all."""
    with atomic_write(path, durable=durable) as part:
        part.write_bytes(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def require_new(path: Path) -> None:
    """Refuse to write where something is already.

    Raises
    ------
    StoreError
    """
    if path.exists():
        raise StoreError(f"'{path.name}' exists already; choose another name or delete it.")


@contextmanager
def create(path: Path) -> Iterator[Path]:
    """Yield a path to write a new file or folder to, which becomes `path`; see `atomic_write`.

    Raises
    ------
    StoreError
        `path` exists already, or cannot be written.
    """
    require_new(path)
    with disk_errors(path), atomic_write(path) as part:
        yield part


@contextmanager
def disk_errors(path: Path, what: str = "") -> Iterator[None]:
    """Turn what a disk can do while the block writes `path` into a StoreError.

    Parameters
    ----------
    what
        What is written, for the sentence; "" where the name of `path` says it.
    """
    try:
        yield
    except OSError as error:
        reason, remedy = error.strerror or str(error), "free some space or choose another folder"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            reason, remedy = "the disk is full", "free some space and do it again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "change the folder's permissions or choose another folder"
        problem = f"{what} cannot be written ({reason})".lstrip()
        raise StoreError(problem, path=path, remedy=remedy) from error


def content_sha256(*files: Path) -> str:
    """Return `sha256(*files)`; files that have not changed since are not read again."""
    return _sha256_of(file_versions(files))


def file_versions(files: Iterable[Path]) -> tuple[FileVersion, ...]:
    """Return the version of each file."""
    return tuple((file, (s := file.stat()).st_size, s.st_mtime_ns) for file in files)


@lru_cache(maxsize=4096)
def _sha256_of(versions: tuple[FileVersion, ...]) -> str:
    return sha256(*(file for file, _, _ in versions))


def sha256(*files: Path, on_piece: Callable[[bytes], object] | None = None) -> str:
    """Return the SHA-256, in hex, of the content of files, one after the other.

    Parameters
    ----------
    on_piece
        Receives each piece that was read: to copy it on the way, or to report progress.
    """
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(8 << 20):
                digest.update(piece)
                if on_piece is not None:
                    on_piece(piece)
    return digest.hexdigest()
