"""Unpack a zip or tar archive that may be hostile."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from histospace_core.errors import HistospaceError
from histospace_core.files import is_hidden

MAX_MEMBERS = 200_000  # a zarr store has a file for each chunk
MAX_BYTES = 4 * 2**30
MAX_RATIO = 200  # a sparse count matrix is compressed about 10 to 1
CHUNK = 2**20
ZARR = frozenset({".zgroup", ".zarray", ".zattrs", ".zmetadata"})
"""Names of the metadata of zarr version 2, which begin with a dot as hidden files do."""


class ArchiveError(HistospaceError):
    """An archive that is not unpacked; `unpack` raises it as the caller's own kind."""


def unpack(
    path: Path, folder: Path, kind: type[HistospaceError], max_bytes: int = MAX_BYTES
) -> None:
    """Unpack `path` into the empty `folder`, without the hidden files in it.

    The content decides whether it is a zip or a tar, which may be compressed. The directory of a
    zip is checked before anything is written. Sizes are counted while unpacking, because a
    directory can lie, and a tar has none.

    Parameters
    ----------
    path
    folder
    kind
        Class of the errors.
    max_bytes
        Most bytes that are written.

    Raises
    ------
    kind
        The file is not an archive, damaged or encrypted, has too many or too large members, or has
        members that are links, devices or outside the folder.
    """
    with path.open("rb") as file:
        packing = "zip" if file.read(2) == b"PK" else "tar"
    with _errors_as(kind, path, packing):
        (_unzip if packing == "zip" else _untar)(path, folder, max_bytes)


def is_zip(path: Path) -> bool:
    """Return whether a file begins as a zip archive does."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def size_in_zip(path: Path, kind: type[HistospaceError]) -> int:
    """Return how many bytes a zip says that it unpacks to; errors as in `unpack`."""
    with _errors_as(kind, path, "zip"), zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())


@contextmanager
def _errors_as(kind: type[HistospaceError], path: Path, packing: str) -> Iterator[None]:
    """Turn the errors of reading and writing an archive into sentences."""
    try:
        yield
    except ArchiveError as error:
        raise kind(error.problem, path=path, remedy=error.remedy) from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,  # a compression that zipfile does not know
    ) as error:
        raise kind(
            f"the {packing} is damaged or of an unknown kind",
            path=path,
            remedy=f"{_VERBS[packing]} the folder again",
        ) from error
    except RuntimeError as error:  # zipfile raises this for an encrypted member
        raise kind(
            "the zip is encrypted", path=path, remedy="zip the folder without encryption"
        ) from error
    except OSError as error:  # disk full, a file and a folder of one name, a name too long
        raise kind(
            f"the {packing} cannot be unpacked ({error.strerror or error})",
            path=path,
            remedy=f"{_VERBS[packing]} the folder again, or free some space on the disk",
        ) from error


_VERBS = {"zip": "zip", "tar": "pack"}


def _unzip(path: Path, folder: Path, max_bytes: int) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _refuse_many(len(members), "zip")
        for member in members:
            _refuse_path(member.filename)
        members = [m for m in members if not _is_hidden(m.filename)]
        _inspect(members, path.stat().st_size, max_bytes)
        left = max_bytes
        for member in members:
            if not member.is_dir():
                with archive.open(member) as packed:
                    most = min(left, member.file_size)
                    left -= _write(packed, folder, member.filename, most)


def _untar(path: Path, folder: Path, max_bytes: int) -> None:
    left = min(max_bytes, MAX_RATIO * max(path.stat().st_size, CHUNK))
    # as a stream, so that a member is read once and nothing is sought in a bomb
    with tarfile.open(path, "r|*") as archive:
        for count, member in enumerate(archive, start=1):
            _refuse_many(count, "tar")
            _refuse_path(member.name)
            if _is_hidden(member.name) or member.isdir():
                continue
            if not member.isreg() or member.issparse():
                _refuse_kind(member.name, "tar")
            if member.size > left:
                _refuse_size(member.size, "tar")
            packed = archive.extractfile(member)
            if packed is not None:
                left -= _write(packed, folder, member.name, left)


def _is_hidden(name: str) -> bool:
    *folders, last = _path(name).parts or (".",)
    shown = [*folders, *([last] if last not in ZARR else [])]
    return any(is_hidden(part) for part in shown if part != ".")


def _inspect(members: list[zipfile.ZipInfo], packed: int, max_bytes: int) -> None:
    for member in members:
        # the upper half is the Unix mode, 0 in a zip made on Windows
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse_kind(member.filename, "zip")
    size = sum(member.file_size for member in members)
    # a tiny zip may exceed the ratio without harm
    if size > max_bytes or size > MAX_RATIO * max(packed, CHUNK):
        _refuse_size(size, "zip")


def _refuse_many(count: int, kind: str) -> None:
    if count > MAX_MEMBERS:
        shown = f"{count:,}" if kind == "zip" else f"more than {MAX_MEMBERS:,}"
        raise ArchiveError(
            f"the {kind} has {shown} members (at most {MAX_MEMBERS:,})",
            remedy=f"{_VERBS[kind]} only the files that belong together",
        )


def _refuse_kind(name: str, kind: str) -> NoReturn:
    raise ArchiveError(
        f"{_shown(name)} is a link or a device, not a file",
        remedy=f"{_VERBS[kind]} the files themselves",
    )


def _refuse_size(size: int, kind: str) -> NoReturn:
    raise ArchiveError(
        f"the {kind} unpacks to {size / 2**20:,.0f} MB, more than is accepted",
        remedy=f"{_VERBS[kind]} only the files that belong together",
    )


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))  # some Windows programs write backslashes


def _refuse_path(name: str) -> None:
    path = _path(name)
    drive = path.parts[0].endswith(":") if path.parts else False
    if path.is_absolute() or drive or ".." in path.parts or "\0" in name or len(name) > 1024:
        raise ArchiveError(
            f"member {_shown(name)} would be written outside its folder",
            remedy="pack the folder again",
        )


def _write(packed: IO[bytes], folder: Path, name: str, most: int) -> int:
    target = folder.joinpath(*_path(name).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    # x: a member that occurs twice must not overwrite the first
    with target.open("xb") as out:
        while chunk := packed.read(CHUNK):
            written += len(chunk)
            if written > most:
                raise ArchiveError("the archive unpacks to more than it declares.")
            out.write(chunk)
    return written


def _shown(name: str) -> str:
    return repr(name[:60])
