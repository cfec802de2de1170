"""Read a stored prediction, one gene at a time."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray
from PIL import Image

from histospace_core.errors import StoreError
from histospace_core.inference.layout import UNS_KEY, overview_path, record_path, store_path
from histospace_core.inference.record import read_record
from histospace_core.inference.store import as_uns

if TYPE_CHECKING:
    import anndata  # otherwise imported where it is used, because it takes half a second to load

    from histospace_core.uncertainty import Predictive  # for the same reason

_GENES_AT_ONCE = 200  # limits memory: all tiles of a block are read


class Prediction:
    """A finished prediction on disk. Tables are read once; genes are read one at a time."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.record = read_record(record_path(run_dir))
        """The content of `run.json`: what went in, what ran and what came out."""
        self._group = zarr.open_group(store_path(run_dir), mode="r")
        self._matrix = zarr.open_array(store_path(run_dir) / "X", mode="r")

    @cached_property
    def obs(self) -> pd.DataFrame:
        """One row per tile: `qc` ("ok" or the reason why not), quality measures, `domain_score`."""
        return self._element("obs")

    @cached_property
    def var(self) -> pd.DataFrame:
        """One row per gene: id, held-out scores, `reliable`, `training_mean`."""
        return self._element("var")

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Tile centres (n, 2) in level-0 px, x right, y down."""
        return np.asarray(self._group["obsm/spatial"])

    @property
    def genes(self) -> list[str]:
        return list(self._columns)

    @cached_property
    def _columns(self) -> dict[str, int]:
        """The column of each gene, read without the rest of `var`."""
        table: Any = self._group["var"]
        names = np.asarray(table[table.attrs["_index"]])
        return {str(name): i for i, name in enumerate(names)}

    def _element(self, key: str) -> Any:
        import anndata

        return anndata.io.read_elem(self._group[key])

    @property
    def n_tiles(self) -> int:
        return int(self._matrix.shape[0])

    @property
    def tile_level0(self) -> float:
        """Side of a tile in level-0 px."""
        return self.record.tiles.side_level0_px

    @property
    def mpp(self) -> float:
        """Pixel size of the slide, um/px."""
        return self.record.slide.mpp

    def exists(self) -> bool:
        """Whether the run is still on disk."""
        return record_path(self.run_dir).is_file()

    @cached_property
    def overview(self) -> NDArray[np.uint8] | None:
        """Picture of the whole slide (h, w, 3), about 8 um/px; None where the run keeps none."""
        if not overview_path(self.run_dir).is_file():
            return None
        with Image.open(overview_path(self.run_dir)) as picture:
            return np.asarray(picture.convert("RGB"))

    def gene(self, name: str) -> NDArray[np.float32]:
        """Return the predicted expression (n,) of one gene; NaN where a tile has none.

        Raises
        ------
        StoreError
            The model does not predict this gene.
        """
        if name not in self._columns:
            genes = len(self._columns)
            raise StoreError(
                f"This run has no gene '{name}': choose one of the {genes} genes that its model "
                "predicts."
            )
        return np.asarray(self._matrix[:, self._columns[name]], np.float32)

    def columns(self, genes: slice | NDArray[np.integer]) -> NDArray[np.float32]:
        """Return all tiles of some genes (n, k), by their indices in `genes`."""
        if not isinstance(genes, slice):
            return np.asarray(self._matrix.oindex[:, np.asarray(genes, np.int64)], np.float32)
        return np.asarray(self._matrix[:, genes], np.float32)

    def matrix(self, rows: NDArray[np.integer] | slice = slice(None)) -> NDArray[np.float32]:
        """Return all genes of some tiles (k, genes); slow, because genes are stored separately."""
        if isinstance(rows, slice):
            return np.asarray(self._matrix[rows], np.float32)
        return np.asarray(self._matrix.oindex[np.asarray(rows, dtype=np.int64), :], np.float32)

    @cached_property
    def predictive(self) -> "Predictive | None":
        """The distribution of expression that the model's package stated; None if it did not."""
        from histospace_core.uncertainty import predictive_from_table

        model = self.record.model
        return predictive_from_table(
            self.var, model.metrics.get("interval", {}), model.expression_unit
        )

    def slide_level(self, genes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return log10 of the mean predicted rate over the tiles, (k,), of genes by index.

        Raises
        ------
        StoreError
            The model states no intervals.
        """
        if self.predictive is None:
            raise StoreError(
                f"Model '{self.record.model.name}' states no intervals; predict with a newer model."
            )
        parts = [
            self.predictive.of(block).slide_level(self.columns(block))
            for block in np.array_split(genes, -(-len(genes) // _GENES_AT_ONCE))
        ]
        return np.concatenate(parts)

    def to_anndata(self) -> "anndata.AnnData":
        """Load the whole prediction, tiles x genes, in fp32, which other tools expect."""
        import anndata

        loaded = anndata.read_zarr(store_path(self.run_dir))
        loaded.X = self.matrix()
        loaded.uns[UNS_KEY] = as_uns(self.record)  # in today's form, whichever version wrote it
        return loaded


def open_prediction(run_dir: str | Path) -> Prediction:
    """Open a finished run.

    Raises
    ------
    StoreError
        The folder holds no finished prediction, or a damaged one.
    """
    folder = Path(run_dir)
    if not store_path(folder).is_dir() or not record_path(folder).is_file():
        raise StoreError(
            f"'{folder.name}' holds no finished prediction; make one with 'histospace predict'."
        )
    try:
        prediction = Prediction(folder)
        _ = prediction.n_tiles
    except (ValueError, KeyError, OSError, zarr.errors.BaseZarrError) as error:
        raise StoreError(f"The prediction in '{folder.name}' is damaged; run it again.") from error
    return prediction
