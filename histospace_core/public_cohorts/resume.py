"""A downloader for pooch that resumes broken downloads."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from histospace_core.errors import HistospaceError
from histospace_core.progress import OnProgress, Progress

CHUNK = 2**18
TIMEOUT_S = 30  # without a byte, not for the whole file
ATTEMPTS = 4  # consecutive attempts that receive no byte
WAIT_S = 1.0  # before the second attempt; doubled before each later one
BUSY = {408, 429, 500, 502, 503, 504}
BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class DownloadError(HistospaceError):
    """A file cannot be downloaded, or the server sent a different one."""


class WrongFileError(ValueError):
    """The download does not have the size of the requested file."""


class Resuming:
    """Download into a partial file that survives this process; move it when it is complete.

    A partial file is continued with `Range`. `If-Range` with the validator (strong ETag, else
    date) of its first part prevents joining parts of two versions of a file.

    Parameters
    ----------
    part : the partial file; its validator is stored next to it.
    size : bytes of the complete file, if known.
    limit : bytes after which a response of unknown size is refused.
    hashed : whether the complete file is checked by hash, so that no validator is needed.
    headers : sent with each request; `Authorization` is not sent to another host.
    on_progress : called with the bytes received so far; may raise to stop.
    """

    def __init__(
        self,
        part: Path,
        *,
        size: int | None,
        limit: int,
        hashed: bool,
        headers: Mapping[str, str],
        on_progress: OnProgress,
    ) -> None:
        self.part, self._size, self._limit, self._hashed = part, size, limit, hashed
        # Compressed, `Content-Length` and `Range` would count other bytes.
        self._headers = {"Accept-Encoding": "identity", **headers}
        self._on_progress = on_progress
        self._validator = part.with_name(f"{part.name}.validator")

    def __call__(
        self, url: str, output_file: str, pooch: Any, check_only: bool = False
    ) -> bool | None:
        """Download `url` to `output_file`; the signature is that of a pooch downloader.

        Raises
        ------
        requests.RequestException
            Refused, no such file, or no byte in several attempts; the partial file is kept.
        WrongFileError
            The file is longer or shorter than it should be; the partial file is deleted.
        """
        idle, before = 0, self._have
        while True:
            try:
                self._continue(url)
                break
            except (*BROKEN, requests.HTTPError, WrongFileError) as error:
                idle = 0 if self._have > before else idle + 1
                before = self._have
                if not _may_pass(error) or idle >= ATTEMPTS:
                    if isinstance(error, WrongFileError):
                        self.discard()
                    raise
            time.sleep(WAIT_S * 2 ** max(0, idle - 1))
        self.part.replace(output_file)
        self.discard()
        return None

    def discard(self) -> None:
        """Delete the partial file."""
        self.part.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)

    @property
    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _continue(self, url: str) -> None:
        have = self._have
        if have and have == self._size:
            return  # an earlier process stopped between the last byte and the move
        with requests.get(
            url, headers=self._request(have), stream=True, timeout=TIMEOUT_S
        ) as answer:
            _require_tls(url, answer)
            if answer.status_code == 416:  # the file on the server is shorter now
                self.discard()
                raise WrongFileError("another file")
            answer.raise_for_status()
            # The server ignores `Range`, or its file has changed: begin again.
            if answer.status_code != 206 or _first_byte(answer) != have:
                have = 0
            self._require_size(answer, have)
            self._write(answer, have)

    def _request(self, have: int) -> dict[str, str]:
        validator = self._validator.read_text() if self._validator.exists() else ""
        if not have or not (validator or self._hashed):
            return self._headers
        continued = {**self._headers, "Range": f"bytes={have}-"}
        return {**continued, "If-Range": validator} if validator else continued

    def _require_size(self, answer: requests.Response, have: int) -> None:
        """Refuse a response whose declared size is wrong, before writing any of it."""
        declared = answer.headers.get("Content-Length")
        if declared is None:
            return
        whole = have + int(declared)
        if whole > self._limit or (self._size is not None and whole != self._size):
            raise WrongFileError(f"{whole} bytes instead of {self._size or self._limit}")

    def _write(self, answer: requests.Response, have: int) -> None:
        if have == 0:
            # Before the first byte, which could not be continued without it.
            self._validator.write_text(_validator(answer))
        with self.part.open("ab" if have else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                have += len(chunk)
                if have > self._limit or (self._size is not None and have > self._size):
                    self.discard()
                    raise WrongFileError("more bytes than the file has")
                file.write(chunk)
                self._on_progress(Progress(have, self._size or 0))
        if self._size is not None and have < self._size:
            raise requests.ConnectionError("the connection ended before the file did")


def _may_pass(error: Exception) -> bool:
    """Tell whether another attempt may succeed."""
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in BUSY
    return True  # a broken connection, or an error page that was sent as the file


def _validator(answer: requests.Response) -> str:
    etag = str(answer.headers.get("ETag", ""))
    if etag and not etag.startswith("W/"):  # a weak ETag does not promise equal bytes
        return etag
    return str(answer.headers.get("Last-Modified", ""))


def _first_byte(answer: requests.Response) -> int:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(match.group(1)) if match else -1


def _require_tls(url: str, answer: requests.Response) -> None:
    if urlsplit(url).scheme == "https" and urlsplit(answer.url).scheme != "https":
        raise DownloadError(
            f"{urlsplit(url).hostname} redirects to an address without encryption "
            f"({urlsplit(answer.url).hostname}), so nothing was downloaded; use another mirror."
        )
