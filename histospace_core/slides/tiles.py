"""Read the pixels of tiles: around given centres, or of a whole plan, block by block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from histospace_core.errors import SlideError
from histospace_core.slides.open import RGB, Slide
from histospace_core.slides.patches import Windows, cut_windows, overlap
from histospace_core.slides.plan import Block, TilePlan, plan_tiles
from histospace_core.slides.prefetch import in_order
from histospace_core.slides.quality import measure_tiles, measure_windows
from histospace_core.slides.view import View

__all__ = [
    "Block",
    "BlockTiles",
    "TilePlan",
    "View",
    "cut_block",
    "cut_spots",
    "plan_tiles",
    "stream_blocks",
    "tiles_at",
]


SAMPLE_TILES = 32


@dataclass(frozen=True)
class BlockTiles:
    """The tiles of a block.

    Attributes
    ----------
    index : int
        The block's number.
    first : int
        Number, in the plan, of the first tile here.
    tiles : uint8 array (n, tile_px, tile_px, 3)
        Unreadable ones are white.
    quality : dict of str to float32 array (n,)
        "tissue_fraction", and what `quality.measure_tiles` finds; NaN where unreadable.
    readable : bool array (n,)
    context : tuple of uint8 arrays (n, px, px, 3)
        Wider and coarser views of the same tiles, if the model has any.
    """

    index: int
    first: int
    tiles: RGB
    quality: dict[str, npt.NDArray[np.float32]]
    readable: npt.NDArray[np.bool_]
    context: tuple[RGB, ...] = ()

    @property
    def views(self) -> tuple[RGB, ...]:
        """All views that the network sees, the tiles first."""
        return (self.tiles, *self.context)

    def recoloured(self, normalise: Callable[[RGB], RGB]) -> "BlockTiles":
        """Return the block with `normalise` applied to every view."""
        views = [normalise(view) for view in self.views]
        return replace(self, tiles=views[0], context=tuple(views[1:]))


@dataclass(frozen=True)
class BlockWindows:
    """The windows of a block's tiles, or of some spots, with the attributes of `BlockTiles`."""

    first: int
    windows: tuple[Windows, ...]
    quality: dict[str, npt.NDArray[np.float32]]
    readable: npt.NDArray[np.bool_]

    def recoloured(self, normalise: Callable[[RGB], RGB]) -> "BlockWindows":
        """Return the block with `normalise` applied to every patch."""
        return replace(self, windows=tuple(w.recoloured(normalise) for w in self.windows))


def tiles_at(
    slide: Slide, centres: npt.ArrayLike, *, tile_px: int = 128, um_per_px: float = 0.69
) -> RGB:
    """Cut tiles around given centres (measured spots, say).

    Parameters
    ----------
    slide : Slide
        Its pixel size must be known.
    centres : array (n, 2)
        Level-0 px, x right, y down.
    tile_px, um_per_px : int, float
        Side and pixel size of the tiles.

    Returns
    -------
    uint8 array (n, tile_px, tile_px, 3), white outside the slide. If the slide has the model's
    pixel size, tiles are shifted by up to half a pixel and copied instead of resampled.
    """
    centres = np.asarray(centres, dtype=np.float64).reshape(-1, 2)
    side = tile_px * um_per_px / slide.mpp
    corners = centres - side / 2
    if side == tile_px:
        corners = np.rint(corners)
    tiles = np.empty((len(centres), tile_px, tile_px, 3), dtype=np.uint8)
    for tile, (x, y) in zip(tiles, corners, strict=True):
        tile[:] = slide.read(float(x), float(y), side, side, tile_px, tile_px)
    return tiles


def sample_tiles(slide: Slide, plan: TilePlan, views: Sequence[View]) -> list[RGB]:
    """Return a fixed sample of tiles, spread over the plan, in every view."""
    # Unique, because a small plan has fewer tiles than the sample.
    chosen = np.unique(np.linspace(0, plan.n_tiles - 1, SAMPLE_TILES).astype(int))
    sample: list[list[RGB]] = [[] for _ in views]
    for centre in plan.centres[chosen]:
        try:
            seen = [
                tiles_at(slide, centre, tile_px=view.px, um_per_px=view.um_per_px) for view in views
            ]
        except SlideError:
            continue  # the run reports unreadable tiles
        # Only once every view is read, so that the views stay aligned.
        for tiles, tile in zip(sample, seen, strict=True):
            tiles.append(tile)
    if not sample[0]:
        raise SlideError(
            f"none of {len(chosen)} tiles from all over the tissue can be read",
            path=slide.path,
            remedy="the file is damaged: export or copy it again",
        )
    return [np.concatenate(tiles) for tiles in sample]


def cut_block(
    slide: Slide, plan: TilePlan, block: Block, context: Sequence[View] = ()
) -> BlockTiles:
    """Read a block once per view, resampled to the view's pixel size, and cut it into tiles.

    If part of the block cannot be decoded, its tiles are read one by one, and only those that fail
    are marked unreadable.

    Parameters
    ----------
    context
        Wider views around the tiles' centres, read in addition to the tiles.
    """
    side = plan.tile_px
    readable = np.ones(block.n_tiles, dtype=bool)
    try:
        box = (block.x, block.y, block.w * plan.scale, block.h * plan.scale)
        pixels = slide.read(*box, block.w, block.h)
        tiles = np.stack([pixels[y : y + side, x : x + side] for x, y in block.offsets])
    except SlideError:
        tiles, readable = _one_by_one(slide, plan, block)
    quality = measure_tiles(tiles)
    for values in quality.values():
        values[~readable] = np.nan
    quality = {"tissue_fraction": plan.tissue_fraction[block.tiles].copy(), **quality}
    around = []
    for view in context:
        pixels, seen = _context(slide, plan, block, view)
        around.append(pixels)
        readable &= seen  # the network needs every view
    return BlockTiles(block.index, block.first, tiles, quality, readable, tuple(around))


def cut_block_windows(
    slide: Slide, plan: TilePlan, block: Block, views: Sequence[View]
) -> BlockWindows:
    """Read the patches that a block's tiles see in each view, and measure the tiles' quality."""
    cut = cut_spot_windows(slide, plan.centres[block.tiles], views)
    tiles = cut.windows[0]
    quality = measure_windows(tiles)
    for values in quality.values():
        values[~tiles.readable] = np.nan
    quality = {"tissue_fraction": plan.tissue_fraction[block.tiles].copy(), **quality}
    return replace(cut, first=block.first, quality=quality)


def cut_spot_windows(
    slide: Slide, centres: npt.NDArray[np.float64], views: Sequence[View]
) -> BlockWindows:
    """Read the patches that some centres see in each view, without measuring quality.

    Parameters
    ----------
    centres
        Level-0 px, (n, 2), near each other.
    views
        The tile, then the wider views.
    """
    seen = tuple(cut_windows(slide, view, centres, overlap(view, views[0])) for view in views)
    readable = np.all([windows.readable for windows in seen], 0)  # the network needs every view
    return BlockWindows(0, seen, {}, readable)


def cut_spots(
    slide: Slide,
    centres: npt.NDArray[np.float64],
    views: Sequence[View],
    margin_um: float,
) -> BlockTiles:
    """Cut every view around given centres, as training does, without measuring quality.

    Parameters
    ----------
    centres
        Level-0 px, (n, 2).
    views
        The tile, then the wider views.
    margin_um
        Margin that training reads around a view. It is cut off again; without it, the positions
        of resampled pixels would be rounded otherwise, and a few differ by a grey level.
    """
    pixels = [np.full((len(centres), v.px, v.px, 3), 255, dtype=np.uint8) for v in views]
    readable = np.ones(len(centres), dtype=bool)
    for i, centre in enumerate(centres):
        try:
            for tiles, view in zip(pixels, views, strict=True):
                m = view.margin(margin_um)
                side = view.px + 2 * m
                whole = tiles_at(slide, centre, tile_px=side, um_per_px=view.um_per_px)[0]
                tiles[i] = whole[m : side - m, m : side - m]
        except SlideError:
            readable[i] = False
    return BlockTiles(0, 0, pixels[0], {}, readable, tuple(pixels[1:]))


def stream_blocks(
    slide: Slide,
    plan: TilePlan,
    *,
    context: Sequence[View] = (),
    threads: int = 1,
) -> Iterator[BlockTiles]:
    """Yield the tiles of a plan, block by block, reading ahead while the caller works.

    Parameters
    ----------
    slide, plan
    context : sequence of View
        Wider views that the model sees in addition to the tile.
    threads : int
        Number of reading threads, each with its own handle.
    """
    return in_order(partial(cut_block, slide, plan, context=context), plan.blocks, threads)


def _context(
    slide: Slide, plan: TilePlan, block: Block, view: View
) -> tuple[RGB, npt.NDArray[np.bool_]]:
    """Return one view of each tile of a block (n, px, px, 3), and which tiles could be read.

    The block and its surroundings are read once at the view's pixel size, so a centre is shifted by
    up to half a pixel of the view.
    """
    step = view.um_per_px / plan.um_per_px  # model px per px of the view
    centres = (block.offsets + plan.tile_px / 2) / step  # in the view's px, from the block's corner
    corners = np.rint(centres - view.px / 2).astype(int)
    origin = corners.min(0)
    w, h = (int(n) for n in corners.max(0) - origin + view.px)
    level0 = view.um_per_px / slide.mpp
    x, y = np.array([block.x, block.y]) + origin * level0
    readable = np.ones(block.n_tiles, dtype=bool)
    try:
        pixels = slide.read(float(x), float(y), w * level0, h * level0, w, h)
    except SlideError:
        tiles = np.full((block.n_tiles, view.px, view.px, 3), 255, dtype=np.uint8)
        side = view.px * level0
        for i, (left, top) in enumerate(corners * level0 + [block.x, block.y]):
            try:
                tiles[i] = slide.read(float(left), float(top), side, side, view.px, view.px)
            except SlideError:
                readable[i] = False
        return tiles, readable
    corners -= origin
    return np.stack([pixels[y : y + view.px, x : x + view.px] for x, y in corners]), readable


def _one_by_one(slide: Slide, plan: TilePlan, block: Block) -> tuple[RGB, npt.NDArray[np.bool_]]:
    side, level0 = plan.tile_px, plan.tile_level0
    tiles = np.full((block.n_tiles, side, side, 3), 255, dtype=np.uint8)
    readable = np.ones(block.n_tiles, dtype=bool)
    for i, (x, y) in enumerate(block.offsets * plan.scale + [block.x, block.y]):
        try:
            tiles[i] = slide.read(float(x), float(y), level0, level0, side, side)
        except SlideError:
            readable[i] = False
    return tiles, readable
