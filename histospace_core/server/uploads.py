"""Unfinished uploads on disk: pieces in order, hashed on the way, resumable after a crash."""

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
MOST_OPEN = 64  # unfinished uploads at a time
KEEP_S = 24 * 3600  # an upload that was left alone for so long is swept away
_ID = re.compile(r"[0-9a-f]{32}\Z")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UploadError(HistospaceError):
    """An upload that cannot go on; `status` is the HTTP status that says so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass
class Upload:
    """One upload. Its bytes so far are the file `part`; their number is the offset."""

    id: str
    name: str
    size: int
    kind: str
    folder: Path
    offset: int = 0
    finishing: asyncio.Task[dict[str, Any]] | None = None
    turn: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _hash: Any = field(default_factory=hashlib.sha256)
    _hashed: int = 0

    @property
    def part(self) -> Path:
        """The file that grows."""
        return self.folder / "part"

    async def begin(self, offset: int) -> int:
        """Take over the upload at `offset`; a connection that hangs elsewhere loses its turn."""
        async with self._lock:
            if offset != self.offset:
                raise UploadError(409, f"The upload stands at byte {self.offset}, not {offset}.")
            self.turn += 1
            return self.turn

    async def append(self, data: bytes, turn: int) -> None:
        """Add bytes at the end, off the event loop."""
        async with self._lock:
            if turn != self.turn:
                raise UploadError(409, "Another connection goes on with this upload.")
            if self.offset + len(data) > self.size:
                raise UploadError(413, f"{self.name} is longer than the {self.size} bytes named.")
            await asyncio.to_thread(self._append, data)

    def _append(self, data: bytes) -> None:
        try:
            with self.part.open("r+b") as file:
                file.seek(self.offset)
                file.write(data)
        except FileNotFoundError as error:
            raise UploadError(404, "This upload was cancelled: begin it again.") from error
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise UploadError(507, disk_full(self.name)) from error
            raise
        if self._hashed == self.offset:
            self._hash.update(data)
            self._hashed += len(data)
        self.offset += len(data)

    def sha256(self) -> str:
        """Return the content's SHA-256, reading again only what a restart made us forget."""
        with self.part.open("rb") as file:
            file.seek(self._hashed)
            while data := file.read(1 << 20):
                self._hash.update(data)
                self._hashed += len(data)
        return self._hash.hexdigest()


class Uploads:
    """All uploads of a store.

    Parameters
    ----------
    settings
        Where parts are kept, one folder each; the largest upload; the quota of the slides.
    catalog
        Of the same store: what it has counts against the quota.
    reserve_bytes
        Disk space that uploads leave to the rest of the program.
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

    def create(self, name: str, size: int, kind: str) -> Upload:
        """Begin an upload.

        Raises
        ------
        UploadError
            The file is empty or too large, or there is no room for it.
        """
        name = display_name(name)
        if size <= 0:
            raise UploadError(400, f"{name} is empty: choose another file.")
        limit = self._settings.upload_max_gb
        if size > limit * 1e9:
            raise UploadError(
                413,
                f"{name} has {size / 1e9:.1f} GB and the limit is {limit:g} GB: "
                "ask your operator to raise HISTOSPACE_UPLOAD_MAX_GB.",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = list(self._unfinished())
        if len(unfinished) >= MOST_OPEN:
            raise UploadError(503, "Too many uploads are unfinished: try again later.")
        self._require_room(name, size, unfinished)
        upload = Upload(new_id(), name, size, kind, Path())
        upload.folder = self._folder / upload.id
        try:
            upload.folder.mkdir()
            upload.part.touch(mode=0o600)
            about = {"name": name, "size": size, "kind": kind}
            (upload.folder / "upload.json").write_text(json.dumps(about))
        except OSError as error:
            shutil.rmtree(upload.folder, ignore_errors=True)
            raise UploadError(507, disk_full(name)) from error
        self._open[upload.id] = upload
        return upload

    def find(self, upload_id: str) -> Upload:
        """Return an upload, one begun before a restart too.

        Raises
        ------
        UploadError
            There is none of this id.
        """
        known = self._open.get(upload_id) or self._finished.get(upload_id)
        if known is not None:
            return known
        folder = self._folder / upload_id
        try:
            if not _ID.match(upload_id):
                raise FileNotFoundError
            about = json.loads((folder / "upload.json").read_text())
            upload = Upload(id=upload_id, folder=folder, **about)
            upload.offset = upload.part.stat().st_size
        except (OSError, ValueError, TypeError) as error:
            raise UploadError(
                404, "This upload is not known (any more): begin it again."
            ) from error
        self._open[upload_id] = upload
        return upload

    def _unfinished(self) -> Iterator[Upload]:
        """Yield the uploads on disk, those begun before a restart among them."""
        for part in self._folder.glob("*/part"):
            try:
                yield self.find(part.parent.name)
            except UploadError:  # closed meanwhile, or its record cannot be read
                continue

    def _require_room(self, name: str, size: int, unfinished: list[Upload]) -> None:
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
        """Forget an upload's bytes; its result can still be asked for."""
        shutil.rmtree(upload.folder, ignore_errors=True)
        self._open.pop(upload.id, None)
        if upload.finishing is not None:
            self._finished[upload.id] = upload
            while len(self._finished) > MOST_OPEN:
                self._finished.popitem(last=False)

    def sweep(self, keep_s: float = KEEP_S) -> int:
        """Remove uploads that nobody went on with for `keep_s` seconds; return their number."""
        n_removed = 0
        for folder in self._folder.glob("*"):
            newest = max((f.stat().st_mtime for f in [folder, *folder.glob("*")]), default=0.0)
            known = self._open.get(folder.name)
            busy = known is not None and known.finishing is not None
            if time.time() - newest > keep_s and not busy:
                shutil.rmtree(folder, ignore_errors=True)
                self._open.pop(folder.name, None)
                n_removed += 1
        return n_removed
