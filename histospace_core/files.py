"""Write files and folders atomically, and hash their content."""

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

_SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin"}


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is one that a system makes for itself.

    These are names that begin with a dot (`._` companions of macOS among them), `__MACOSX`,
    `Thumbs.db`, `desktop.ini`.
    """
    return name.startswith(".") or name.casefold() in _SYSTEM_FILES


def visible_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are not hidden, in the order of their names."""
    return sorted(p for p in folder.iterdir() if not is_hidden(p.name) and p.is_file())


@contextmanager
def atomic_write(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder; it replaces `path` at the end of the block.

    If the block fails, `path` is unchanged and nothing else is left. A file replaces a file; a
    folder replaces only an empty folder.

    Parameters
    ----------
    path
        A file or a folder; its parent folder is created if missing.
    durable
        Whether the content must survive a power cut. False is faster; use it for files whose
        damage is detected on reading and which can be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Names may have 255 bytes. The random part keeps two writers of one path apart.
    part = path.with_name(f".{path.name[:200]}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        if durable:
            move_into_place(part, path)
        else:
            part.replace(path)
    finally:
        with suppress(OSError):  # it was never written, or is already in place
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def move_into_place(source: Path, target: Path) -> None:
    """Rename a finished file or folder within one disk so that the result survives a power cut.

    A rename may reach the disk before the content does, so the content is flushed first.
    """
    if source.is_dir():
        for folder, _, names in os.walk(source):
            for name in names:
                _flush(Path(folder, name))
            _flush(Path(folder))
    else:
        _flush(source)
    source.replace(target)
    _flush(target.parent)  # the rename is an entry of the folder


def _flush(path: Path) -> None:
    """Flush a file, or the listing of a folder, from the system's cache to the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except (IsADirectoryError, PermissionError):  # Windows cannot open a folder
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # no fsync here
            raise
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file atomically."""
    with atomic_write(path, durable=durable) as part:
        part.write_bytes(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def require_new(path: Path) -> None:
    """Refuse to overwrite an existing file or folder.

    Raises
    ------
    StoreError
    """
    if path.exists():
        raise StoreError(f"'{path.name}' exists already; choose another name or delete it.")


@contextmanager
def create(path: Path) -> Iterator[Path]:
    """Create a new file or folder atomically: yield the path to write to, see `atomic_write`.

    Raises
    ------
    StoreError
        `path` exists already, or cannot be written.
    """
    require_new(path)
    # disk_errors outside, so that it also sees the final rename fail
    with disk_errors(path), atomic_write(path) as part:
        yield part


@contextmanager
def disk_errors(path: Path, what: str = "") -> Iterator[None]:
    """Turn an OSError of the block, which writes `path`, into a StoreError with a remedy.

    Parameters
    ----------
    what
        What is written, for the message; "" if the name of `path` is enough.
    """
    try:
        yield
    except OSError as error:
        reason, remedy = error.strerror or str(error), "free some space or choose another folder"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            reason, remedy = "the disk is full", "free some space and try again"
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
    """Return the SHA-256, in hex, of the concatenated content of files.

    Parameters
    ----------
    on_piece
        Called with each piece that was read, to copy it or to report progress.
    """
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(8 << 20):
                digest.update(piece)
                if on_piece is not None:
                    on_piece(piece)
    return digest.hexdigest()
