"""Download files into a folder: checked, resumable, never twice, never half-written."""

import hashlib
import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests

from histospace_core.errors import StoreError
from histospace_core.files import disk_errors, move_into_place, sha256
from histospace_core.progress import OnProgress, Progress, no_progress
from histospace_core.public_cohorts.resume import (
    BROKEN,
    TIMEOUT_S,
    DownloadError,
    Resuming,
    WrongFileError,
)

PARTIAL = ".partial"  # folder of unfinished files
SUMS = "SHA256SUMS"  # in the format of `sha256sum -c`
LISTING_LIMIT = 64 * 2**20  # bytes; limit for a file of unknown size
SPARE = 2**28  # bytes left free on the disk
pooch.get_logger().setLevel(logging.WARNING)  # no "Downloading data from ..." on stderr


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server and its path in the cohort folder.

    Attributes
    ----------
    path : relative to the cohort folder.
    url : address of the file.
    size : bytes, if known.
    digest : `sha256:<hex>`, `git:<hex>` (the id of a git blob) or "" if none is known.
    headers : sent with the request.
    refused : what to do if the server answers 401 or 403.
    look_up : asks the server for size and digest and returns the file with both; called only if
        the size is unknown and the file is not in the folder yet.
    """

    path: str
    url: str
    size: int | None = None
    digest: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    refused: str = "give the address of a mirror that you may use (--base-url)"
    look_up: "Callable[[RemoteFile], RemoteFile] | None" = None

    @property
    def name(self) -> str:
        """Name without folders, for messages."""
        return Path(self.path).name


def download_files(
    files: Sequence[RemoteFile], folder: Path, on_progress: OnProgress = no_progress
) -> list[Path]:
    """Download the files that `folder` lacks; return all paths in the order of `files`.

    A file appears in `folder` only when it is complete. After a broken connection, the next call
    resumes the unfinished file, which is kept in a hidden folder.

    Raises
    ------
    DownloadError
        No network, access refused, no such file, or the server sent a different file.
    StoreError
        Not enough disk space, or the folder cannot be written.
    """
    recorded = read_sums(folder)
    with disk_errors(folder):
        missing = [f for f in files if not _is_whole(f, folder / f.path, recorded.get(f.path))]
        try:
            missing = [f if f.size is not None else (f.look_up or _look_up)(f) for f in missing]
        except requests.RequestException as error:
            raise _explain(error, str(error.request.url) if error.request else "") from error
        _require_room(missing, folder)
        _fetch_all(missing, folder, on_progress)
    return [folder / file.path for file in files]


def exists(url: str) -> bool:
    """Ask a server whether it has a file.

    Raises
    ------
    DownloadError
        The server cannot be reached.
    """
    try:
        return requests.head(url, allow_redirects=True, timeout=TIMEOUT_S).status_code == 200
    except requests.RequestException as error:
        raise _explain(error, url) from error


def read_sums(folder: Path) -> dict[str, str]:
    """Return path -> SHA-256 of a finished cohort folder; empty if it is not finished."""
    file = folder / SUMS
    if not file.is_file():
        return {}
    rows = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in file.read_text().splitlines()]
    return {row.group(2): row.group(1) for row in rows if row}


def git_id(path: Path) -> str:
    """Return the id, in hex, that git gives to the content of a file."""
    blob = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            blob.update(chunk)
    return blob.hexdigest()


def _is_whole(file: RemoteFile, path: Path, recorded: str | None) -> bool:
    if not path.is_file():
        return False
    kind, _, known = file.digest.partition(":") if file.digest else ("sha256", "", recorded)
    # finished files are moved into place, so a file without a checksum is complete too
    return not known or (git_id(path) if kind == "git" else sha256(path)) == known


def _look_up(file: RemoteFile) -> RemoteFile:
    """Return the file with the size that the server states."""
    headers = {"Accept-Encoding": "identity", **file.headers}
    answer = requests.head(file.url, headers=headers, allow_redirects=True, timeout=TIMEOUT_S)
    if answer.status_code in (405, 501):  # HEAD is not allowed: the size remains unknown
        return file
    if answer.status_code >= 400:
        raise refusal(file, answer.status_code)
    size = answer.headers.get("Content-Length")
    return replace(file, size=int(size) if size else None)


def _require_room(files: Sequence[RemoteFile], folder: Path) -> None:
    there = next(p for p in [folder, *folder.absolute().parents] if p.is_dir())
    parts = sum(_part(f, folder).stat().st_size for f in files if _part(f, folder).exists())
    needed = sum(file.size or 0 for file in files) - parts
    free = shutil.disk_usage(there).free
    if needed and needed + SPARE > free:
        raise StoreError(
            f"The cohort needs {needed / 1e9:,.1f} GB more, but {free / 1e9:,.1f} GB are free in "
            f"'{there}'; free some space or choose another folder."
        )


def _fetch_all(files: Sequence[RemoteFile], folder: Path, on_progress: OnProgress) -> None:
    total, done = sum(file.size or 0 for file in files), 0
    made = [p for p in [folder, *folder.absolute().parents] if not p.exists()]
    try:
        for file in files:
            # Defaults are bound now; the loop changes `done` and `file`.
            def report(event: Progress, before: int = done, name: str = file.name) -> None:
                done = before + event.done
                on_progress(Progress(done, max(total, done), name))  # some sizes may be unknown

            _fetch(file, folder, report)
            done += file.size or (folder / file.path).stat().st_size
    finally:
        if (folder / PARTIAL).is_dir() and not any((folder / PARTIAL).iterdir()):
            (folder / PARTIAL).rmdir()
        for path in made:  # do not leave empty folders after a failure
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _fetch(file: RemoteFile, folder: Path, on_progress: OnProgress) -> None:
    part = _part(file, folder)
    part.parent.mkdir(parents=True, exist_ok=True)
    downloader = Resuming(
        part,
        size=file.size,
        limit=LISTING_LIMIT if file.size is None else file.size,
        hashed=bool(file.digest),
        headers=file.headers,
        on_progress=on_progress,
    )
    arrived = part.with_name(f"{part.name}.whole")
    arrived.unlink(missing_ok=True)  # pooch would accept what a killed process left
    known = file.digest if file.digest.startswith("sha256:") else None  # pooch knows no git ids
    try:
        pooch.retrieve(
            file.url, known_hash=known, fname=arrived.name, path=part.parent, downloader=downloader
        )
        if file.digest.startswith("git:") and f"git:{git_id(arrived)}" != file.digest:
            raise WrongFileError("another git id")
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        move_into_place(arrived, folder / file.path)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise refusal(file, status) from error
    except requests.RequestException as error:
        raise _explain(error, file.url, begun=part.exists()) from error
    except ValueError as error:  # pooch raises it for a wrong hash, we for a wrong size
        raise DownloadError(
            f"{file.name}: the server sent another file than the pinned one (its size or checksum "
            "differs), so it was deleted; try again or use another mirror."
        ) from error
    finally:
        arrived.unlink(missing_ok=True)


def _part(file: RemoteFile, folder: Path) -> Path:
    return folder / PARTIAL / file.path.replace("/", "__")


def refusal(file: RemoteFile, status: int) -> DownloadError:
    """Return the error for an HTTP status that is not success."""
    host = urlsplit(file.url).hostname
    if status in (401, 403):
        return DownloadError(f"{file.name}: {host} refuses access ({status}); {file.refused}.")
    if status in (404, 410):
        return DownloadError(
            f"{file.name}: {host} answers {status}: there is no such file; check the name of the "
            "cohort (`histospace data list`) or the address of the mirror (--base-url)."
        )
    return DownloadError(f"{file.name}: {host} answers {status or 'with an error'}; try later.")


def unreachable(host: str) -> DownloadError:
    """Return the error for a server that does not answer."""
    return DownloadError(
        f"{host}: the server cannot be reached; connect to the network, or give the address of a "
        "mirror (--base-url)."
    )


def _explain(error: requests.RequestException, url: str, begun: bool = False) -> DownloadError:
    host = urlsplit(url or "").hostname or "the server"
    if isinstance(error, requests.exceptions.SSLError):
        return DownloadError(f"{host}: its certificate cannot be verified; use another mirror.")
    if begun and isinstance(error, BROKEN):
        return DownloadError(
            f"{host}: the connection broke repeatedly; run the same command again to continue "
            "where it stopped."
        )
    if isinstance(error, BROKEN):
        return unreachable(host)
    return DownloadError(f"'{url}' is no address to download from; check --base-url.")
