"""Tiles: where they lie and how their pixels are cut, at the model's pixel size."""

import numpy as np
import numpy.typing as npt

from histospace_core.slides.open import RGB, Slide


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
