"""Write a finished prediction as an AnnData zarr store, from which single genes are read fast."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray
from PIL import Image
from zarr.abc.buffer import Buffer
from zarr.codecs import Crc32cCodec
from zarr.storage import MemoryStore

from histospace_core.files import atomic_write, disk_errors, move_into_place, write_json
from histospace_core.inference.layout import (
    GENES_PER_SHARD,
    ROWS_PER_SHARD,
    UNS_KEY,
    overview_path,
    partial_path,
    record_path,
    store_path,
)
from histospace_core.inference.record import RunRecord, as_json

Rows = Callable[[slice], NDArray[np.float32]]

_ELEMENT: dict[str, Any] = {"encoding-type": "array", "encoding-version": "0.2.0"}
_PIECE = 512
"""Number of rows in memory in fp32 at a time."""
_FAST_WRITES = {"codec_pipeline.batch_size": 32, "array.write_empty_chunks": True}
"""By default zarr writes one chunk at a time and checks whether it is empty: twice as slow."""


def write_matrix(
    run_dir: Path,
    rows: Rows,
    shape: tuple[int, int],
    *,
    dtype: str = "float16",
    on_rows: Callable[[int], None] = lambda stored: None,
) -> None:
    """Start a run's store with the matrix, tiles x genes.

    A shard is a file of about `ROWS_PER_SHARD` tiles x `GENES_PER_SHARD` genes, in which every gene
    is a separate chunk with its own checksum.

    Parameters
    ----------
    run_dir
        Folder of the run; the partial store of an interrupted attempt is overwritten.
    rows
        Returns the expression (k, genes) of a slice of the tiles.
    shape
        Numbers of tiles and genes.
    dtype
        "float16", whose rounding error of logarithmic expression is at most 0.002, or "float32".
    on_rows
        Called with the number of tiles that are stored, after each row of shards.
    """
    n, genes = shape
    tall, wide = _even_part(n, ROWS_PER_SHARD), _even_part(genes, GENES_PER_SHARD)
    with disk_errors(run_dir), zarr.config.set(_FAST_WRITES):
        group = zarr.open_group(partial_path(run_dir), mode="w", zarr_format=3)
        matrix = group.create_array(
            "X",
            shape=shape,
            dtype=dtype,
            shards=(tall, wide),
            chunks=(tall, 1),
            compressors=[Crc32cCodec()],  # a checksum only: such floats hardly compress
            fill_value=float("nan"),
            attributes=_ELEMENT,
        )
        by_gene = np.empty((genes, tall), dtype)  # the order of the chunks
        for start in range(0, n, tall):
            stop = min(start + tall, n)
            for first in range(start, stop, _PIECE):
                last = min(first + _PIECE, stop)
                by_gene[:, first - start : last - start] = rows(slice(first, last)).T
            for left in range(0, genes, wide):  # zarr copies what it writes, several times
                shard = by_gene[left : left + wide, : stop - start]
                matrix[start:stop, left : left + wide] = shard.T
            on_rows(stop)


def _even_part(n: int, most: int) -> int:
    """Return the size of equal parts of n, about `most`: a small last part would cost as much."""
    return max(1, -(-n // max(1, round(n / most))))


def write_tables(
    run_dir: Path,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    spatial: NDArray[np.float64],
    record: RunRecord,
) -> None:
    """Complete a run's store, write its record, and move both into place.

    Parameters
    ----------
    run_dir
        Folder of the run, its matrix written.
    obs, var
        One row per tile, and one row per gene.
    spatial
        Tile centres (n, 2), level-0 px.
    record
        Written to `run.json` and `uns["histospace"]`.
    """
    import anndata  # imported here, because it takes half a second to load

    # AnnData writes everything except the matrix, which is already written
    shell = anndata.AnnData(obs=obs, var=var, obsm={"spatial": spatial})
    shell.uns[UNS_KEY] = as_uns(record)
    files: dict[str, Buffer] = {}  # zarr takes twice as long to write to the disk directly
    group = zarr.open_group(MemoryStore(files), mode="w", zarr_format=3)
    with anndata.settings.override(auto_shard_zarr_v3=False):
        for name in ("obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns"):
            element = getattr(shell, name)
            table = isinstance(element, pd.DataFrame)
            anndata.io.write_elem(group, name, element if table else dict(element))
    group.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    with disk_errors(run_dir):
        for key, content in files.items():
            file = partial_path(run_dir) / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.to_bytes())
        # Before the store, whose name marks the run as finished.
        write_json(record_path(run_dir), as_json(record))
        move_into_place(partial_path(run_dir), store_path(run_dir))


def write_overview(run_dir: Path, overview: NDArray[np.uint8]) -> None:
    """Save a picture of the whole slide (h, w, 3) with the run, for reports and exports."""
    with disk_errors(run_dir), atomic_write(overview_path(run_dir)) as part:
        Image.fromarray(overview).save(part, format="JPEG", quality=90)


def as_uns(record: RunRecord) -> dict[str, Any]:
    """Return a record as AnnData can store it: no None, no slash in a key, lists as arrays."""
    return _plain(as_json(record))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k).replace("/", "_"): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return np.array(value) if value else np.array([], dtype=np.float64)
    return value
