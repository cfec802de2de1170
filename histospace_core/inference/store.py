"""Write a prediction as it is made; it becomes visible when it is whole."""

import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anndata
import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from histospace_core.errors import StoreError
from histospace_core.inference.layout import (
    ROWS_PER_SHARD,
    UNS_KEY,
    partial_path,
    record_path,
    store_path,
)

_ELEMENT: dict[str, Any] = {"encoding-type": "array", "encoding-version": "0.2.0"}
_PLAN = "plan.json"


class PredictionWriter:
    """Take rows (tiles) in order and write them shard by shard; a context manager.

    A shard is `ROWS_PER_SHARD` tiles x all genes in one file, in which every gene is compressed
    on its own: one gene is read without the others. An interrupted run keeps its finished shards;
    a writer with the same key goes on after them.

    Parameters
    ----------
    run_dir
        Folder of the run; created if absent.
    n_tiles, n_genes
        Shape of the prediction.
    key
        Identifies slide, model, plan and settings. A partial store of another key is refused.

    Raises
    ------
    StoreError
        The folder holds a finished run, or an unfinished one of another key; or the disk is full.
    """

    def __init__(self, run_dir: Path, n_tiles: int, n_genes: int, key: Mapping[str, Any]) -> None:
        self.run_dir = run_dir
        self.shape = (n_tiles, n_genes)
        self._key = json.dumps(key, sort_keys=True)
        self._rows: list[NDArray[np.float32]] = []
        self._columns: list[pd.DataFrame] = []
        self.rows_done = 0
        """Rows in finished shards: what a resumed run need not compute again."""

    def __enter__(self) -> Self:
        if store_path(self.run_dir).exists():
            raise StoreError(
                f"'{self.run_dir.name}' already holds a finished run and runs are never "
                "overwritten; choose another folder."
            )
        with disk_errors(self.run_dir):
            self.run_dir.mkdir(parents=True, exist_ok=True)
            self._open()
        self.rows_done = self._finished_rows()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep finished shards after an error; drop the rows of the unfinished one."""
        self._rows, self._columns = [], []

    def write(self, expression: NDArray[np.float32], columns: pd.DataFrame) -> None:
        """Append the next rows: expression (k, genes) and what becomes `obs` (k rows)."""
        self._rows.append(expression)
        self._columns.append(columns)
        while sum(map(len, self._rows)) >= min(ROWS_PER_SHARD, self.shape[0] - self.rows_done) > 0:
            self._flush()

    def obs(self) -> pd.DataFrame:
        """All rows' columns, once every row is written."""
        obs = pd.concat([self._sidecar(i) for i in range(self._n_shards)], ignore_index=True)
        obs.index = pd.Index([f"tile{i:06d}" for i in range(len(obs))], name="tile")
        return obs

    def finish(
        self,
        obs: pd.DataFrame,
        var: pd.DataFrame,
        spatial: NDArray[np.float64],
        provenance: Mapping[str, Any],
    ) -> None:
        """Write obs, var, positions and provenance, then put the store in its place."""
        with disk_errors(self.run_dir):
            # AnnData writes everything but the matrix, which is there already
            shell = anndata.AnnData(obs=obs, var=var, obsm={"spatial": spatial})
            shell.uns[UNS_KEY] = _plain(provenance)
            group = self._group
            with anndata.settings.override(auto_shard_zarr_v3=False):
                for name in ("obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns"):
                    element = getattr(shell, name)
                    table = isinstance(element, pd.DataFrame)
                    anndata.io.write_elem(group, name, element if table else dict(element))
            group.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
            for extra in [self._path / _PLAN, *self._path.glob("rows-*.parquet")]:
                extra.unlink()
            write_json(record_path(self.run_dir), provenance)
            self._path.rename(store_path(self.run_dir))

    @property
    def _path(self) -> Path:
        return partial_path(self.run_dir)

    @property
    def _n_shards(self) -> int:
        return -(-self.shape[0] // ROWS_PER_SHARD)

    def _open(self) -> None:
        plan = self._path / _PLAN
        if plan.exists():
            if plan.read_text("utf-8") != self._key:
                raise StoreError(
                    f"'{self.run_dir.name}' holds an unfinished run of another slide, model or "
                    "setting; choose another folder, or delete it."
                )
            self._group = zarr.open_group(self._path, mode="r+")
        else:
            if self._path.exists():
                shutil.rmtree(self._path)  # cut off before its plan was written: nothing in it
            self._group = zarr.open_group(self._path, mode="w", zarr_format=3)
            rows = min(ROWS_PER_SHARD, self.shape[0])
            self._group.create_array(
                "X",
                shape=self.shape,
                dtype="float32",
                shards=(rows, self.shape[1]),
                chunks=(rows, 1),
                fill_value=float("nan"),
                attributes=_ELEMENT,
            )
            plan.write_text(self._key, "utf-8")
        self._matrix = zarr.open_array(self._path / "X", mode="r+")

    def _finished_rows(self) -> int:
        done = 0
        while done < self._n_shards and self._sidecar_path(done).exists():
            done += 1
        return min(done * ROWS_PER_SHARD, self.shape[0])

    def _flush(self) -> None:
        """Write one shard; its sidecar, renamed into place last, declares it finished."""
        rows, columns = np.concatenate(self._rows), pd.concat(self._columns, ignore_index=True)
        n = min(ROWS_PER_SHARD, self.shape[0] - self.rows_done)
        sidecar = self._sidecar_path(self.rows_done // ROWS_PER_SHARD)
        with disk_errors(self.run_dir):
            self._matrix[self.rows_done : self.rows_done + n] = rows[:n]
            partial = sidecar.with_suffix(".tmp")
            columns[:n].to_parquet(partial)
            partial.rename(sidecar)
        self.rows_done += n
        self._rows, self._columns = [rows[n:]], [columns[n:]]

    def _sidecar_path(self, shard: int) -> Path:
        return self._path / f"rows-{shard:05d}.parquet"

    def _sidecar(self, shard: int) -> pd.DataFrame:
        return pd.read_parquet(self._sidecar_path(shard))


@contextmanager
def disk_errors(run_dir: Path) -> Iterator[None]:
    """Turn what a disk can do to a run into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            what = "the disk is full; free some space and run it again, it goes on where it stopped"
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            what = "the folder may not be written to; choose another or change its permissions"
        else:
            what = f"{error.strerror or error}"
        raise StoreError(f"Cannot write the run '{run_dir.name}': {what}.") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all, its folder made if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    partial.replace(path)


def _plain(value: Any) -> Any:
    """Nested dict without None, which AnnData cannot store; lists of text become arrays."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return np.array(value) if value else np.array([], dtype=np.float64)
    return value
