"""Features on disk, so that folds, seeds and later trainings compute them once.

An entry is a file named by its key: the SHA-256 of its array, then the array as NumPy writes it.
Nothing here stops a training: a damaged entry is not returned, and a full disk is noted.
"""

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histospace_core.files import write_bytes

_DIGEST = 32  # bytes of a SHA-256


class FeatureCache:
    """A folder of arrays of limited size; the entries unused for longest are deleted first.

    Parameters
    ----------
    folder
    limit_gb
        Size of all entries; 0 stores none.

    Attributes
    ----------
    note : str
        Why an entry could not be stored; empty if all could.
    """

    def __init__(self, folder: Path, limit_gb: float) -> None:
        self._folder = folder
        self._limit = int(limit_gb * 1e9)
        self.note = ""

    def get(self, key: str) -> NDArray[np.float32] | None:
        """Return the array of a key, or None if there is none or it is damaged."""
        file = self._folder / key
        try:
            content = file.read_bytes()
            if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
                return None
            os.utime(file)  # used now
        except OSError:
            return None
        array: NDArray[np.float32] = np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False)
        return array

    def put(self, key: str, array: NDArray[np.float32]) -> None:
        """Store an array, and delete old entries beyond the limit."""
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        content = stream.getvalue()
        size = _DIGEST + len(content)
        if size > self._limit:
            return
        try:
            self._make_room(size)
            digest = hashlib.sha256(content).digest()
            # not durable, because `get` sees damage
            write_bytes(self._folder / key, digest + content, durable=False)
        except OSError as error:
            reason = error.strerror or str(error)
            self.note = f"features are not kept for later: {reason} in '{self._folder.name}'"

    def _make_room(self, size: int) -> None:
        entries = []
        for file in self._folder.glob("[!.]*"):
            with suppress(FileNotFoundError):  # another training has deleted it
                facts = file.stat()
                entries.append((facts.st_mtime_ns, facts.st_size, file))
        total = size + sum(n for _, n, _ in entries)
        for _, n, file in sorted(entries):
            if total <= self._limit:
                return
            file.unlink(missing_ok=True)
            total -= n
