"""A cache of slide tiles and of gene maps on the grid, made on request."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from threading import Condition
from typing import Any

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache, cachedmethod
from PIL import Image

from histospace_core.catalog import Catalog
from histospace_core.characterise.signature_map import SignatureMap, signature_map
from histospace_core.errors import StoreError
from histospace_core.figures.colours import robust_limits
from histospace_core.figures.grid import TileGrid, tile_grid
from histospace_core.inference import OUT_OF_DOMAIN_SCORE, Prediction, open_prediction
from histospace_core.server.signature_lists import key_of, run_signature
from histospace_core.slides.deep_zoom import DeepZoomSlide, Pyramid
from histospace_core.uncertainty import REACH_UM, SCALES

CACHE_BYTES = 128 << 20
"""Memory limit of each cache: JPEG tiles, and gene maps on the grid."""
MOST_OPEN = 8
"""Number of slides, and of runs, that stay open; each worker has one handle per slide at most."""
_JPEG_QUALITY = 85
_AVERAGED = "averaged:"
_FEW_TILES = 20  # percentiles of fewer mean little


@dataclass(frozen=True)
class OpenRun:
    """What the viewer needs of a finished run; read once, then shared."""

    prediction: Prediction
    grid: TileGrid
    out_of_domain: npt.NDArray[np.bool_]
    pyramid: Pyramid

    def averaged(self, values: npt.NDArray[np.float32], scale: str) -> npt.NDArray[np.float32]:
        """Return the values of the tiles averaged to one of `uncertainty.SCALES`, (n,).

        Raises
        ------
        StoreError
            There is no such scale.
        """
        if scale not in REACH_UM:
            raise StoreError(f"A map cannot be averaged to '{scale}'.")
        stride_um = self.prediction.record.tiles.stride_level0_px * self.prediction.mpp
        return self.grid.average(values, REACH_UM[scale] / stride_um)

    def limits(self, values: npt.NDArray[np.float32]) -> tuple[float, float]:
        """Return colour limits for values on the grid, from the tiles within the model's domain.

        If there are fewer than `_FEW_TILES` of them, all tiles count.
        """
        known = values[self.grid.rows[~self.out_of_domain], self.grid.columns[~self.out_of_domain]]
        return robust_limits(known if known.size >= _FEW_TILES else values)


def averaged_layer(gene: str, scale: str) -> str:
    """Return the name by which the viewer requests a gene averaged to a scale."""
    return gene if scale == SCALES[0] else f"{_AVERAGED}{scale}:{gene}"


def _cache(size: int, weigh: Any = None) -> tuple[LRUCache, Condition]:
    return LRUCache(size, weigh), Condition()


class TileCache:
    """Tiles and gene maps for the tile routes.

    All methods are thread-safe; what two threads request at the same time is made once.

    Parameters
    ----------
    catalog : Catalog
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._slides, self._slides_ready = _cache(MOST_OPEN)
        self._runs, self._runs_ready = _cache(MOST_OPEN)
        self._layers, self._layers_ready = _cache(CACHE_BYTES, attrgetter("nbytes"))
        self._signatures, self._signatures_ready = _cache(MOST_OPEN)
        self.jpegs, self._jpegs_ready = _cache(CACHE_BYTES, len)
        #: Makes the tiles; few threads, so that memory and open files stay bounded.
        self.workers = ThreadPoolExecutor(min(8, 1 + (os.cpu_count() or 1)), "tiles")

    def close(self) -> None:
        """Stop the workers and empty the caches."""
        self.workers.shutdown(cancel_futures=True)
        for cache in (self._slides, self._runs, self._layers, self._signatures, self.jpegs):
            cache.clear()

    def slide(self, slide_id: str) -> DeepZoomSlide:
        """Return an open slide of the catalog.

        Raises
        ------
        HistospaceError
            The slide does not exist (any more), or cannot be opened.
        """
        slide = self._opened(slide_id)
        if not slide.path.exists():  # an open file can be read even after it was deleted
            with self._slides_ready:
                self._slides.pop(slide_id, None)
            raise StoreError("The file of this slide no longer exists.")
        return slide

    def open_run(self, run_id: str) -> OpenRun:
        """Return a finished run.

        Raises
        ------
        HistospaceError
            The run does not exist (any more), or is not finished.
        """
        open_run = self._read(run_id)
        if not open_run.prediction.exists():
            with self._runs_ready:
                self._runs.pop(run_id, None)
            raise StoreError("This run no longer exists.")
        return open_run

    @cachedmethod(attrgetter("_slides"), condition=attrgetter("_slides_ready"))
    def _opened(self, slide_id: str) -> DeepZoomSlide:
        slide = self._catalog.slide(slide_id)
        return DeepZoomSlide(slide.file, slide.series)

    @cachedmethod(attrgetter("_runs"), condition=attrgetter("_runs_ready"))
    def _read(self, run_id: str) -> OpenRun:
        prediction = open_prediction(self._catalog.run(run_id).directory)
        record = prediction.record
        grid = tile_grid(prediction.centres, prediction.tile_level0, record.tiles.stride_level0_px)
        out_of_domain = prediction.obs["domain_score"].to_numpy() > OUT_OF_DOMAIN_SCORE
        pyramid = Pyramid(record.slide.width, record.slide.height)
        return OpenRun(prediction, grid, out_of_domain, pyramid)

    @cachedmethod(attrgetter("_layers"), condition=attrgetter("_layers_ready"))
    def layer(self, run_id: str, gene: str) -> npt.NDArray[np.float32]:
        """Return a gene of a run on its grid (rows, columns), NaN where there is no tile.

        `gene` may be the name of a signature from `signature_lists.layer_of`, or of an averaged map
        from `averaged_layer`.
        """
        open_run, key = self.open_run(run_id), key_of(gene)
        if gene.startswith(_AVERAGED):
            scale, _, gene = gene.removeprefix(_AVERAGED).partition(":")
            values = open_run.prediction.gene(gene)
            return open_run.grid.fill(open_run.averaged(values, scale))
        if key is not None:
            return open_run.grid.fill(self.signature(run_id, key).values)
        return open_run.grid.fill(open_run.prediction.gene(gene))

    @cachedmethod(attrgetter("_signatures"), condition=attrgetter("_signatures_ready"))
    def signature(self, run_id: str, key: str) -> SignatureMap:
        """Return the values of a signature on the tiles of a run, by its key."""
        prediction = self.open_run(run_id).prediction
        return signature_map(prediction, run_signature(prediction.run_dir, key))

    @cachedmethod(attrgetter("jpegs"), condition=attrgetter("_jpegs_ready"))
    def slide_tile(self, slide_id: str, level: int, column: int, row: int) -> bytes:
        """Return a tile of a slide as JPEG."""
        pixels = self.slide(slide_id).tile(level, column, row)
        return _encoded(pixels, format="JPEG", quality=_JPEG_QUALITY)


def _encoded(pixels: npt.NDArray[np.uint8], **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, **options)
    return out.getvalue()
