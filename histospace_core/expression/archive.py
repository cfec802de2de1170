"""Unpack a zip or tar archive that may be hostile."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from histospace_core.errors import MeasurementError
from histospace_core.files import is_hidden

MAX_MEMBERS = 200_000  # a zarr store has a file for each chunk
MAX_BYTES = 4 * 2**30
MAX_RATIO = 200  # a sparse count matrix is compressed about 10 to 1
CHUNK = 2**20
ZARR = frozenset({".zgroup", ".zarray", ".zattrs", ".zmetadata"})
"""Names of the metadata of zarr version 2, which begin with a dot as hidden files do."""


def unpack(path: Path, folder: Path) -> None:
    """Unpack `path` into the empty `folder`, without the hidden files in it.

    The content decides whether it is a zip or a tar, which may be compressed. The directory of a
    zip is checked before anything is written. Sizes are counted while unpacking, because a
    directory can lie, and a tar has none.

    Raises
    ------
    MeasurementError
        The file is not an archive, damaged or encrypted, has too many or too large members, or has
        members that are links, devices or outside the folder.
    """
    with path.open("rb") as file:
        kind = "zip" if file.read(2) == b"PK" else "tar"
    try:
        (_unzip if kind == "zip" else _untar)(path, folder)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,  # a compression that zipfile does not know
    ) as error:
        raise MeasurementError(
            f"the {kind} is damaged or of an unknown kind",
            path=path,
            remedy=f"{_VERBS[kind]} the folder again",
        ) from error
    except RuntimeError as error:  # zipfile raises this for an encrypted member
        raise MeasurementError(
            "the zip is encrypted", path=path, remedy="zip the folder without encryption"
        ) from error
    except OSError as error:  # disk full, a file and a folder of one name, a name too long
        raise MeasurementError(
            f"the {kind} cannot be unpacked ({error.strerror or error})",
            path=path,
            remedy=f"{_VERBS[kind]} the folder again, or free some space on the disk",
        ) from error


_VERBS = {"zip": "zip", "tar": "pack"}


def _unzip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _refuse_many(path, len(members), "zip")
        for member in members:
            _refuse_path(path, member.filename)
        members = [m for m in members if not _is_hidden(m.filename)]
        _inspect(path, members, path.stat().st_size)
        left = MAX_BYTES
        for member in members:
            if not member.is_dir():
                with archive.open(member) as packed:
                    most = min(left, member.file_size)
                    left -= _write(packed, folder, member.filename, most, path)


def _untar(path: Path, folder: Path) -> None:
    left = min(MAX_BYTES, MAX_RATIO * max(path.stat().st_size, CHUNK))
    # as a stream, so that a member is read once and nothing is sought in a bomb
    with tarfile.open(path, "r|*") as archive:
        for count, member in enumerate(archive, start=1):
            _refuse_many(path, count, "tar")
            _refuse_path(path, member.name)
            if _is_hidden(member.name) or member.isdir():
                continue
            if not member.isreg() or member.issparse():
                _refuse_kind(path, member.name, "tar")
            if member.size > left:
                _refuse_size(path, member.size, "tar")
            packed = archive.extractfile(member)
            if packed is not None:
                left -= _write(packed, folder, member.name, left, path)


def _is_hidden(name: str) -> bool:
    *folders, last = _path(name).parts or (".",)
    shown = [*folders, *([last] if last not in ZARR else [])]
    return any(is_hidden(part) for part in shown if part != ".")


def _inspect(source: Path, members: list[zipfile.ZipInfo], packed: int) -> None:
    for member in members:
        # the upper half is the Unix mode, 0 in a zip made on Windows
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse_kind(source, member.filename, "zip")
    size = sum(member.file_size for member in members)
    # a tiny zip may exceed the ratio without harm
    if size > MAX_BYTES or size > MAX_RATIO * max(packed, CHUNK):
        _refuse_size(source, size, "zip")


def _refuse_many(source: Path, count: int, kind: str) -> None:
    if count > MAX_MEMBERS:
        shown = f"{count:,}" if kind == "zip" else f"more than {MAX_MEMBERS:,}"
        raise MeasurementError(
            f"the {kind} has {shown} members (at most {MAX_MEMBERS:,})",
            path=source,
            remedy=f"{_VERBS[kind]} only the files of the measurement",
        )


def _refuse_kind(source: Path, name: str, kind: str) -> NoReturn:
    raise MeasurementError(
        f"{_shown(name)} is a link or a device, not a file",
        path=source,
        remedy=f"{_VERBS[kind]} the files themselves",
    )


def _refuse_size(source: Path, size: int, kind: str) -> NoReturn:
    raise MeasurementError(
        f"the {kind} unpacks to {size / 2**20:,.0f} MB, more than one section can have",
        path=source,
        remedy=f"{_VERBS[kind]} only the files of the measurement",
    )


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))  # some Windows programs write backslashes


def _refuse_path(source: Path, name: str) -> None:
    path = _path(name)
    drive = path.parts[0].endswith(":") if path.parts else False
    if path.is_absolute() or drive or ".." in path.parts or "\0" in name or len(name) > 1024:
        raise MeasurementError(
            f"member {_shown(name)} would be written outside its folder",
            path=source,
            remedy="pack the folder again",
        )


def _write(packed: IO[bytes], folder: Path, name: str, most: int, source: Path) -> int:
    target = folder.joinpath(*_path(name).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    # x: a member that occurs twice must not overwrite the first
    with target.open("xb") as out:
        while chunk := packed.read(CHUNK):
            written += len(chunk)
            if written > most:
                raise MeasurementError("the archive unpacks to more than it declares.", path=source)
            out.write(chunk)
    return written


def _shown(name: str) -> str:
    return repr(name[:60])
