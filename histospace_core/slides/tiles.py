"""The pixels of tiles: around given centres, or of a whole plan, block after block."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histospace_core.errors import SlideError
from histospace_core.slides.open import RGB, Slide
from histospace_core.slides.plan import Block, TilePlan, plan_tiles

__all__ = ["Block", "BlockTiles", "TilePlan", "cut", "plan_tiles", "stream_blocks", "tiles_at"]

_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


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
        "tissue_fraction"; "sharpness", the variance of the Laplacian of the luminance, low where
        out of focus, NaN where unreadable; "brightness", the mean luminance from 0 to 1.
    readable : bool array (n,)
    """

    index: int
    first: int
    tiles: RGB
    quality: dict[str, npt.NDArray[np.float32]]
    readable: npt.NDArray[np.bool_]

    def after(self, n: int) -> "BlockTiles":
        """Return the block without its first `n` tiles."""
        quality = {name: values[n:] for name, values in self.quality.items()}
        return BlockTiles(self.index, self.first + n, self.tiles[n:], quality, self.readable[n:])


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
    uint8 array (n, tile_px, tile_px, 3), white outside the slide. Where the slide's pixel size is
    the model's, tiles are moved by up to half a pixel and copied instead of resampled.
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


def cut(slide: Slide, plan: TilePlan, block: Block) -> BlockTiles:
    """Read a block once, resampled to the model's pixel size, and cut its tiles.

    Where a part of it cannot be decoded, its tiles are read one by one and only those that fail
    are marked unreadable.
    """
    side = plan.tile_px
    readable = np.ones(block.n_tiles, dtype=bool)
    try:
        box = (block.x, block.y, block.w * plan.scale, block.h * plan.scale)
        pixels = slide.read(*box, block.w, block.h)
        tiles = np.stack([pixels[y : y + side, x : x + side] for x, y in block.offsets])
    except SlideError:
        tiles, readable = _one_by_one(slide, plan, block)
    quality = _quality(tiles)
    for values in quality.values():
        values[~readable] = np.nan
    quality = {"tissue_fraction": plan.tissue_fraction[block.tiles].copy(), **quality}
    return BlockTiles(block.index, block.first, tiles, quality, readable)


def stream_blocks(slide: Slide, plan: TilePlan, *, skip_tiles: int = 0) -> Iterator[BlockTiles]:
    """Yield the tiles of a plan in order, one block being read while another is used.

    Parameters
    ----------
    slide, plan
    skip_tiles : int
        Leave out this many tiles at the start: those that an earlier attempt finished.
    """
    todo = [block for block in plan.blocks if block.tiles.stop > skip_tiles]
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        ahead: deque[Future[BlockTiles]] = deque()
        for number, block in enumerate(todo):
            for following in todo[number + len(ahead) : number + 2]:
                ahead.append(pool.submit(cut, slide, plan, following))
            yield ahead.popleft().result().after(max(0, skip_tiles - block.first))


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


def _quality(tiles: RGB) -> dict[str, npt.NDArray[np.float32]]:
    n = len(tiles)
    sharpness, brightness = np.empty(n, np.float32), np.empty(n, np.float32)
    for i, tile in enumerate(tiles):
        grey = tile @ _LUMINANCE
        middle = grey[1:-1, 1:-1]
        around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
        sharpness[i] = (around - 4 * middle).var()
        brightness[i] = grey.mean() / 255
    return {"sharpness": sharpness, "brightness": brightness}
