"""Unpack a zip file that may be hostile."""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from histospace_core.errors import MeasurementError

MAX_MEMBERS = 2_000
MAX_BYTES = 4 * 2**30
MAX_RATIO = 200  # a sparse count matrix is compressed about 10 to 1
CHUNK = 2**20


def unpack(path: Path, folder: Path) -> None:
    """Unpack `path` into the empty `folder`.

    The directory of the archive is checked before anything is written. Sizes are counted again
    while unpacking, because a directory can lie.

    Raises
    ------
    MeasurementError
        The file is not a zip, damaged or encrypted, has too many or too large members, or has
        members that are links, devices or outside the folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _inspect(path, members, path.stat().st_size)
            left = MAX_BYTES
            for member in members:
                if not member.is_dir():
                    left -= _extract(archive, member, folder, left, path)
    # NotImplementedError: a compression that zipfile does not know
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise MeasurementError(
            "the zip is damaged or of an unknown kind", path=path, remedy="zip the folder again"
        ) from error
    except RuntimeError as error:  # zipfile raises this for an encrypted member
        raise MeasurementError(
            "the zip is encrypted", path=path, remedy="zip the folder without encryption"
        ) from error
    except OSError as error:  # disk full, a file and a folder of one name, a name too long
        raise MeasurementError(
            f"the zip cannot be unpacked ({error.strerror})",
            path=path,
            remedy="zip the folder again, or free some space on the disk",
        ) from error


def _inspect(source: Path, members: list[zipfile.ZipInfo], packed: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise MeasurementError(
            f"the zip has {len(members):,} members (at most {MAX_MEMBERS:,})",
            path=source,
            remedy="zip only the count matrix and the spatial folder",
        )
    for member in members:
        _refuse_path(source, member.filename)
        # the upper half is the Unix mode, 0 in a zip made on Windows
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise MeasurementError(
                f"{_shown(member.filename)} is a link or a device, not a file",
                path=source,
                remedy="zip the files themselves",
            )
    size = sum(member.file_size for member in members)
    # a tiny zip may exceed the ratio without harm
    if size > MAX_BYTES or size > MAX_RATIO * max(packed, CHUNK):
        raise MeasurementError(
            f"the zip unpacks to {size / 2**20:,.0f} MB, more than one section can have",
            path=source,
            remedy="zip only the count matrix and the spatial folder",
        )


def _refuse_path(source: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))  # some Windows programs write backslashes
    drive = path.parts[0].endswith(":") if path.parts else False
    if path.is_absolute() or drive or ".." in path.parts or "\0" in name or len(name) > 1024:
        raise MeasurementError(
            f"member {_shown(name)} would be written outside its folder",
            path=source,
            remedy="zip the folder again",
        )


def _extract(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int, source: Path
) -> int:
    target = folder.joinpath(*PurePosixPath(member.filename.replace("\\", "/")).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    # x: a member that occurs twice must not overwrite the first
    with archive.open(member) as packed, target.open("xb") as out:
        while chunk := packed.read(CHUNK):
            written += len(chunk)
            if written > min(left, member.file_size):
                raise MeasurementError("the zip unpacks to more than it declares.", path=source)
            out.write(chunk)
    return written


def _shown(name: str) -> str:
    return repr(name[:60])
