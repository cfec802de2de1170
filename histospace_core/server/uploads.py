"""Unfinished uploads on disk: written in order, hashed as they arrive, resumable after a crash."""

import asyncio
import errno
import hashlib
import json
import re
import shutil
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histospace_core.catalog import Catalog, new_id
from histospace_core.catalog.names import display_name
from histospace_core.catalog.quota import RESERVE_BYTES, disk_full, require_space
from histospace_core.errors import HistospaceError, StoreError
from histospace_core.settings import Settings

KINDS = ("slide", "measured")
MAX_UNFINISHED = 64
KEEP_S = 24 * 3600  # an upload that received nothing for this long is deleted
_ID = re.compile(r"[0-9a-f]{32}\Z")  # $ would also match before a final newline
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UploadError(HistospaceError):
    """An upload that cannot continue; `status` is the HTTP status of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass
class Upload:
    """An upload. The file `part` holds the bytes received so far; `offset` is their number.

    Attributes
    ----------
    metadata
        The client's Upload-Metadata, encoded, which it may ask for again.
    finishing
        The task that moves the complete file into the store; its result is kept.
    images
        Images of a complete slide file, of which the user must choose one.
    """

    id: str
    name: str
    size: int
    kind: str
    folder: Path
    metadata: str = ""
    images: tuple[str, ...] = ()
    offset: int = 0
    finishing: asyncio.Task[dict[str, Any]] | None = None
    _writer: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _hash: Any = field(default_factory=hashlib.sha256)
    _hashed: int = 0

    @property
    def part(self) -> Path:
        """The file that the upload is written to."""
        return self.folder / "part"

    async def begin_writing(self, offset: int) -> int:
        """Return a number that allows the caller to append from `offset` on.

        An earlier caller, whose connection may hang, can append no more.

        Raises
        ------
        UploadError
            With status 409: the upload has another offset.
        """
        async with self._lock:  # a write under way ends first
            if offset != self.offset:
                raise UploadError(409, f"The upload stands at byte {self.offset}, not {offset}.")
            self.revoke()
            return self._writer

    def revoke(self) -> None:
        """Stop earlier callers from appending."""
        self._writer += 1

    async def append(self, data: bytes, writer: int) -> None:
        """Add bytes at the end, off the event loop; `writer` is from `begin_writing`.

        Raises
        ------
        UploadError
            Another connection writes now, the file is longer than announced, the upload was
            cancelled, or the disk is full.
        """
        async with self._lock:
            if writer != self._writer:
                raise UploadError(409, "Another connection now continues this upload.")
            if self.offset + len(data) > self.size:
                raise UploadError(
                    413, f"{self.name} is longer than the {self.size} bytes announced."
                )
            await asyncio.to_thread(self._append, data)

    def _append(self, data: bytes) -> None:
        try:
            with self.part.open("r+b") as file:  # "ab" would write behind a failed write
                file.seek(self.offset)
                file.write(data)
        except FileNotFoundError as error:
            raise UploadError(404, "This upload was cancelled: start it again.") from error
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise UploadError(507, disk_full(self.name)) from error
            raise
        if self._hashed == self.offset:  # otherwise bytes from before a restart come first
            self._hash.update(data)
            self._hashed += len(data)
        self.offset += len(data)

    def sha256(self) -> str:
        """Return the SHA-256 of the content; only bytes from before a restart are read again."""
        with self.part.open("rb") as file:
            file.seek(self._hashed)
            while data := file.read(1 << 20):
                self._hash.update(data)
                self._hashed += len(data)
        return self._hash.hexdigest()


class UploadStore:
    """The unfinished uploads of a store, each in a folder of its own.

    Parameters
    ----------
    settings
        The folder of uploads, the size limit and the quota for slides.
    catalog
        The catalog of the same store; its slides count against the quota.
    reserve_bytes
        Disk space that uploads must leave free.
    """

    def __init__(
        self, settings: Settings, catalog: Catalog, reserve_bytes: int = RESERVE_BYTES
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._folder = settings.uploads_dir
        self._reserve_bytes = reserve_bytes
        self._open: dict[str, Upload] = {}
        self._finished: OrderedDict[str, Upload] = OrderedDict()

    def create(self, name: str, size: int, kind: str, metadata: str = "") -> Upload:
        """Begin an upload of `size` bytes.

        Raises
        ------
        UploadError
            The file is empty or too large, or there is not enough space for it.
        """
        name = display_name(name)
        if size <= 0:
            raise UploadError(400, f"{name} is empty: choose another file.")
        limit = self._settings.upload_max_gb
        if size > self._settings.upload_max_bytes:
            raise UploadError(
                413,
                f"{name} has {size / 1e9:.1f} GB and the limit is {limit:g} GB: "
                "ask your operator to raise HISTOSPACE_UPLOAD_MAX_GB.",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = list(self._unfinished())
        if len(unfinished) >= MAX_UNFINISHED:
            raise UploadError(503, "Too many uploads are unfinished: try again later.")
        self._require_space(name, size, unfinished)
        upload_id = new_id()
        upload = Upload(upload_id, name, size, kind, self._folder / upload_id, metadata)
        try:
            upload.folder.mkdir()
            upload.part.touch(mode=0o600)
            _write_record(upload)
        except OSError as error:
            shutil.rmtree(upload.folder, ignore_errors=True)
            raise UploadError(507, disk_full(name)) from error
        self._open[upload.id] = upload
        return upload

    def find(self, upload_id: str) -> Upload:
        """Return an upload by its id; it may have been begun before a restart.

        Raises
        ------
        UploadError
            With status 404: there is no such upload.
        """
        known = self._open.get(upload_id) or self._finished.get(upload_id)
        if known is not None:
            return known
        folder = self._folder / upload_id
        try:
            if not _ID.match(upload_id):
                raise FileNotFoundError
            record = json.loads((folder / "upload.json").read_text())
            upload = Upload(id=upload_id, folder=folder, **record)
            upload.images = tuple(upload.images)
            upload.offset = upload.part.stat().st_size  # all that arrived before a restart
        except (OSError, ValueError, TypeError) as error:
            raise UploadError(
                404, "This upload does not exist or has expired: start it again."
            ) from error
        self._open[upload_id] = upload
        return upload

    def ask(self, upload: Upload, images: tuple[str, ...]) -> None:
        """Keep a complete upload until the user has chosen one of its images."""
        upload.images, upload.finishing = images, None
        _write_record(upload)

    def undecided(self) -> list[Upload]:
        """Return the uploads that wait for the choice of an image, also after a restart."""
        return [upload for upload in self._unfinished() if upload.images]

    def _unfinished(self) -> Iterator[Upload]:
        """Yield the uploads on disk, including those begun before a restart."""
        for part in self._folder.glob("*/part"):
            try:
                yield self.find(part.parent.name)
            except UploadError:  # it was closed meanwhile, or its record is damaged
                continue

    def _require_space(self, name: str, size: int, unfinished: list[Upload]) -> None:
        try:
            require_space(
                self._settings,
                name,
                size,
                used=self._catalog.slides_bytes() + sum(upload.offset for upload in unfinished),
                promised=sum(upload.size - upload.offset for upload in unfinished),
                reserve_bytes=self._reserve_bytes,
            )
        except StoreError as error:
            raise UploadError(507, str(error)) from error

    def close(self, upload: Upload) -> None:
        """Delete what was received; the answer of a finished upload can still be asked for."""
        shutil.rmtree(upload.folder, ignore_errors=True)
        self._open.pop(upload.id, None)
        if upload.finishing is not None:
            self._finished[upload.id] = upload
            while len(self._finished) > MAX_UNFINISHED:
                self._finished.popitem(last=False)

    def delete_expired(self, keep_s: float = KEEP_S) -> int:
        """Delete uploads that received nothing for `keep_s` seconds; return their number."""
        n_removed = 0
        for folder in self._folder.glob("*"):
            newest = max((f.stat().st_mtime for f in [folder, *folder.glob("*")]), default=0.0)
            known = self._open.get(folder.name)
            busy = known is not None and known.finishing is not None  # it is being stored
            if time.time() - newest > keep_s and not busy:
                shutil.rmtree(folder, ignore_errors=True)
                self._open.pop(folder.name, None)
                n_removed += 1
        return n_removed


def _write_record(upload: Upload) -> None:
    record = {key: getattr(upload, key) for key in ("name", "size", "kind", "metadata", "images")}
    (upload.folder / "upload.json").write_text(json.dumps(record))
