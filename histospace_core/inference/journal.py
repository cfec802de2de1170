"""The saved results of an unfinished run, from which an interrupted run resumes."""

import json
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from histospace_core.errors import StoreError
from histospace_core.files import atomic_write, disk_errors, write_bytes
from histospace_core.inference.layout import journal_path, partial_path, store_path

Codes = NDArray[np.float32]

_PLAN = "plan.json"
_CODES = "codes.f32"
_CHECKSUM, _WIDTH = b"crc32", b"width"


class Journal:
    """Codes and columns of a run's tiles, chunk by chunk.

    Codes are in one flat file, tile by tile. A chunk is finished once its table exists, which is
    written last and holds the tiles' columns and the checksum of their codes.

    Parameters
    ----------
    run_dir
        Folder of the run; `begin` creates it.
    key
        Identifies slide, model, plan and settings. A journal with another key is refused.

    Raises
    ------
    StoreError
        The folder has a finished run, or an unfinished one with another key, or the disk is full.
    """

    def __init__(self, run_dir: Path, key: Mapping[str, Any]) -> None:
        self.run_dir = run_dir
        self._path = journal_path(run_dir)
        if store_path(run_dir).exists():
            raise StoreError(
                f"'{run_dir.name}' already holds a finished run with another slide, model or "
                "setting, and runs are never overwritten; choose another folder."
            )
        self._key = json.dumps(key, sort_keys=True)  # sorted, because keys are compared as text
        with disk_errors(run_dir):
            self._resumed = self._holds_key()
        self._width = 0
        """Number of codes per tile; known after the first chunk."""

    def begin(self) -> None:
        """Create the journal, or clear what an interrupted attempt left beside it."""
        with disk_errors(self.run_dir):
            if self._resumed:
                # The store is made from the journal in one go, never resumed.
                shutil.rmtree(partial_path(self.run_dir), ignore_errors=True)
                return
            self._path.mkdir(parents=True, exist_ok=True)
            (self._path / _CODES).touch()
            # last: with it the journal is complete
            write_bytes(self._path / _PLAN, self._key.encode())

    def is_finished(self, tiles: slice) -> bool:
        """Return whether a chunk is complete and undamaged."""
        try:
            table = pq.read_table(self._table(tiles), page_checksum_verification=True)
        except (OSError, pa.ArrowException):
            return False
        metadata = table.schema.metadata
        self._width = int(metadata[_WIDTH])
        codes = self.codes(tiles)
        complete = len(codes) == len(table) == tiles.stop - tiles.start
        return complete and zlib.crc32(codes.data) == int(metadata[_CHECKSUM])

    def write(self, tiles: slice, codes: Codes, columns: pd.DataFrame) -> None:
        """Save a chunk: codes (n, c) and the columns of `obs` (n rows)."""
        codes = np.ascontiguousarray(codes, np.float32)
        self._width = codes.shape[1]
        table = pa.Table.from_pandas(columns, preserve_index=False)
        added = {_CHECKSUM: str(zlib.crc32(codes.data)), _WIDTH: str(self._width)}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **added})
        with disk_errors(self.run_dir):
            with (self._path / _CODES).open("r+b") as file:  # keeps the other chunks
                file.seek(tiles.start * self._width * codes.itemsize)
                file.write(codes.data)
            # Not flushed: a chunk that a power cut damages fails its checksum and is made again.
            with atomic_write(self._table(tiles), durable=False) as part:
                pq.write_table(table, part, write_page_checksum=True)

    def codes(self, tiles: slice) -> Codes:
        """Return the codes of some tiles."""
        n, size = tiles.stop - tiles.start, 4 * self._width
        file = self._path / _CODES
        flat = np.fromfile(file, np.float32, n * self._width, offset=tiles.start * size)
        # A crash may have left part of a row at the end.
        return flat[: len(flat) // self._width * self._width].reshape(-1, self._width)

    def columns(self) -> pd.DataFrame:
        """Return the columns of all tiles, once every chunk is written."""
        tables = sorted(self._path.glob("tiles-*.parquet"))  # padded, so in the tiles' order
        columns = pd.concat([pd.read_parquet(table) for table in tables], ignore_index=True)
        columns.index = pd.Index([f"tile{i:06d}" for i in range(len(columns))], name="tile")
        return columns

    def discard(self) -> None:
        """Delete the journal of a finished or refused run."""
        with disk_errors(self.run_dir):
            shutil.rmtree(self._path)

    def _table(self, tiles: slice) -> Path:
        return self._path / f"tiles-{tiles.start:08d}.parquet"

    def _holds_key(self) -> bool:
        """Return whether an unfinished run with this key is here; refuse another one."""
        plan = self._path / _PLAN
        if not plan.exists():
            return False
        if plan.read_text("utf-8") != self._key:
            raise StoreError(
                f"'{self.run_dir.name}' holds an unfinished run with another slide, model or "
                "setting; choose another folder, or delete this one."
            )
        return True
