"""Plan the tiles of a slide: a grid over the tissue, at the model's pixel size."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from histospace_core.errors import SlideError, TissueError
from histospace_core.slides.open import Slide
from histospace_core.slides.quality import ARTEFACTS
from histospace_core.slides.tissue import Tissue

BLOCK_PX = 1024
"""Side of a block, model px: large enough for few reads, small enough to hold several in memory."""
BLOCK_TILES = 16
"""Maximum number of tiles along a block: overlapping tiles are many on few pixels."""
DENSE_BLOCK_TILES = 64
"""The same where tiles share what is computed of their pixels."""
CHUNK_TILES = 1024
"""Tiles that a run saves at a time; after an interruption, at most as many are computed again."""

MAX_GRID = 20_000_000
COARSE_RATIO = 2.0
"""A slide with pixels this many times as large as the model's lacks detail that it was trained on.
"""


@dataclass(frozen=True)
class Block:
    """A box of the slide that is read in one piece.

    Attributes
    ----------
    index : int
    x, y : float
        Upper left corner, level-0 px.
    w, h : int
        Size, model px.
    first : int
        Number of its first tile; its tiles are `first` to `first + n_tiles - 1` of the plan.
    offsets : int array (n_tiles, 2)
        Upper left corners (x, y) of its tiles within the block, model px.
    """

    index: int
    x: float
    y: float
    w: int
    h: int
    first: int
    offsets: npt.NDArray[np.int64]

    @property
    def n_tiles(self) -> int:
        return len(self.offsets)

    @property
    def tiles(self) -> slice:
        """The block's tiles among those of the plan."""
        return slice(self.first, self.first + self.n_tiles)


@dataclass(frozen=True)
class TilePlan:
    """The tiles of a slide, ordered by block, so that each block's tiles are consecutive.

    Attributes
    ----------
    centres : float64 array (n, 2)
        Level-0 px.
    tissue_fraction : float32 array (n,)
    tile_px : int
        Side of a tile, model px.
    um_per_px : float
        Pixel size of the model.
    stride_px : int
        Distance between neighbouring tiles, model px.
    scale : float
        Level-0 px per model px.
    blocks : list of Block
    excluded : dict of str to int
        Grid positions left out, by reason.
    flagged : dict of str to bool array (n,)
        Tiles with ink or a fold, by reason; they get no expression.
    notes : list of str
        What the user should know before the run.
    """

    centres: npt.NDArray[np.float64]
    tissue_fraction: npt.NDArray[np.float32]
    tile_px: int
    um_per_px: float
    stride_px: int
    scale: float
    blocks: list[Block]
    excluded: dict[str, int]
    flagged: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def n_tiles(self) -> int:
        return len(self.centres)

    @property
    def left_out(self) -> dict[str, int]:
        """Number of tiles that will not be predicted, by the reason seen on the overview."""
        return self.excluded | {reason: int(tiles.sum()) for reason, tiles in self.flagged.items()}

    @property
    def grid(self) -> npt.NDArray[np.int64]:
        """Column and row (n, 2) of each tile."""
        corners = self.centres / self.scale - self.tile_px / 2
        return np.rint(corners / self.stride_px).astype(np.int64)

    @property
    def centres_um(self) -> npt.NDArray[np.float64]:
        """Centres (n, 2), um from the slide's corner."""
        return self.centres * (self.um_per_px / self.scale)

    @staticmethod
    def tiles(chunk: list[Block]) -> slice:
        """Return the tiles of consecutive blocks among those of the plan."""
        return slice(chunk[0].first, chunk[-1].tiles.stop)

    @cached_property
    def chunks(self) -> list[list[Block]]:
        """The blocks in groups of about `CHUNK_TILES` tiles, the same in every attempt of a run."""
        first = [block.first // CHUNK_TILES for block in self.blocks]
        return [
            [b for _, b in run]
            for _, run in groupby(zip(first, self.blocks, strict=True), itemgetter(0))
        ]

    @property
    def tile_um(self) -> float:
        """Side of a tile, um."""
        return self.tile_px * self.um_per_px

    @property
    def stride_um(self) -> float:
        """Distance between neighbouring tiles, um: the requested one, rounded to whole model px."""
        return self.stride_px * self.um_per_px

    @property
    def tile_level0(self) -> float:
        """Side of a tile, level-0 px."""
        return self.tile_px * self.scale


def plan_tiles(
    slide: Slide,
    tissue: Tissue,
    *,
    tile_px: int = 128,
    um_per_px: float = 0.69,
    stride_um: float | None = None,
    min_tissue: float = 0.5,
    block_tiles: int = BLOCK_TILES,
) -> TilePlan:
    """Lay a grid of tiles over a slide and keep those on tissue.

    The grid starts at the slide's upper left corner and extends beyond its right and lower edges,
    where tiles are padded with white, so that no tissue is left out.

    Parameters
    ----------
    slide, tissue
    tile_px, um_per_px : int, float
        Side and pixel size of the model's tiles.
    stride_um : float, optional
        Distance between tiles, rounded to whole model px; a tile's side if None.
    min_tissue : float
        Minimum share of tissue in a tile.
    block_tiles : int
        Maximum number of tiles along a block.

    Raises
    ------
    TissueError
        No tile has enough tissue.
    SlideError
        The stride is not a positive length, or makes too many tiles.
    """
    scale = um_per_px / slide.mpp
    stride_px = _stride_px(slide, tile_px, um_per_px, stride_um)
    columns, rows = (
        max(1, math.ceil((extent / scale - tile_px) / stride_px - 1e-9) + 1)  # no tile by rounding
        for extent in (slide.width, slide.height)
    )
    if columns * rows > MAX_GRID:
        raise SlideError(
            f"a stride of {stride_px * um_per_px:g} um makes {columns * rows:,} tiles (at "
            f"most {MAX_GRID:,})",
            path=slide.path,
            remedy="choose a larger stride",
        )
    grid, share = _tiles_on_tissue(tissue, columns, rows, stride_px, tile_px, scale, min_tissue)
    if not len(grid):
        raise TissueError(
            f"no tile of {tile_px * um_per_px:.0f} um holds {min_tissue:.0%} tissue",
            path=slide.path,
            remedy=f"check that {slide.mpp:g} um/px is right",
        )
    grid, share, blocks = _group(grid, share, tile_px, stride_px, scale, block_tiles)
    centres = ((grid * stride_px + tile_px / 2) * scale).astype(np.float64)
    return TilePlan(
        centres=centres,
        tissue_fraction=share,
        tile_px=tile_px,
        um_per_px=um_per_px,
        stride_px=stride_px,
        scale=scale,
        blocks=blocks,
        excluded={"background": columns * rows - len(grid)},
        flagged={
            name: tissue.overlap(centres, tile_px * scale, name) >= ARTEFACTS[name]
            for name in tissue.artefacts
        },
        notes=_notes(slide, um_per_px),
    )


def _stride_px(slide: Slide, tile_px: int, um_per_px: float, stride_um: float | None) -> int:
    if stride_um is None:
        return tile_px
    if not (math.isfinite(stride_um) and stride_um > 0):
        raise SlideError(
            f"a stride of {stride_um} um is impossible",
            path=slide.path,
            remedy="choose a positive stride",
        )
    return max(1, round(stride_um / um_per_px))


def _tiles_on_tissue(
    tissue: Tissue,
    columns: int,
    rows: int,
    stride_px: int,
    tile_px: int,
    scale: float,
    min_tissue: float,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return (column, row) and share of tissue of the tiles to keep, row by row."""
    kept, shares = [], []
    column = np.arange(columns)
    for row in range(rows):
        places = np.column_stack([column, np.full(columns, row)])
        share = tissue.overlap((places * stride_px + tile_px / 2) * scale, tile_px * scale)
        # minus a rounding error, so that a tile that is exactly half tissue is kept
        keep = (share >= min_tissue - 1e-6) & (share > 0)  # min_tissue may be 0
        kept.append(places[keep])
        shares.append(share[keep])
    return np.concatenate(kept), np.concatenate(shares)


def _group(
    grid: npt.NDArray[np.int64],
    share: npt.NDArray[np.float32],
    tile_px: int,
    stride_px: int,
    scale: float,
    block_tiles: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], list[Block]]:
    """Order tiles by block and frame each block tightly around its tiles."""
    side = min(block_tiles, max(1, (BLOCK_PX - tile_px) // stride_px + 1))  # tiles along a block
    home = grid // side
    order = np.lexsort((grid[:, 0], grid[:, 1], home[:, 0], home[:, 1]))  # last key first
    grid, share, home = grid[order], share[order], home[order]
    starts = np.flatnonzero(np.r_[True, (home[1:] != home[:-1]).any(1)])
    blocks = []
    for index, tiles in enumerate(np.split(grid, starts[1:])):
        corner = tiles.min(0)
        offsets = (tiles - corner) * stride_px
        w, h = (int(n) for n in offsets.max(0) + tile_px)
        x, y = (float(c) for c in corner * stride_px * scale)
        blocks.append(Block(index, x, y, w, h, int(starts[index]), offsets))
    return grid, share, blocks


def _notes(slide: Slide, um_per_px: float) -> list[str]:
    if slide.mpp < COARSE_RATIO * um_per_px:
        return []
    return [
        f"The slide is coarser ({slide.mpp:g} um/px) than the model expects ({um_per_px:g} um/px): "
        "detail that the model was trained on is missing, and the pixels are interpolated."
    ]
