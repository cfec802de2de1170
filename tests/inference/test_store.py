"""The matrix of a store, where it fills several files."""

import numpy as np
import zarr

from histospace_core.inference.layout import GENES_PER_SHARD, ROWS_PER_SHARD, partial_path
from histospace_core.inference.store import write_matrix


def test_values_keep_their_places_across_shards(tmp_path):
    n, genes = int(1.6 * ROWS_PER_SHARD), int(1.6 * GENES_PER_SHARD)
    tile, gene = np.arange(n, dtype=np.float32), np.arange(genes, dtype=np.float32)

    def rows(tiles):
        values = tile[tiles, None] * genes + gene  # every place has a value of its own
        values[tile[tiles] % 7 == 3] = np.nan
        return values

    write_matrix(tmp_path, rows, (n, genes), dtype="float32")
    matrix = zarr.open_array(partial_path(tmp_path) / "X", mode="r")
    assert len(list((partial_path(tmp_path) / "X" / "c").rglob("*/*"))) == 4
    np.testing.assert_array_equal(matrix[:], rows(slice(0, n)))
