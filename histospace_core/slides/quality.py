"""Find tiles that are not worth predicting: ink, folds, blank and unsharp ones.

Ink and folds are found on the overview before a run, blank and unsharp tiles in their own pixels
during the run. The thresholds are cautious: on real sections without such faults, fewer than one
tile in a hundred is flagged.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from histospace_core.slides.open import RGB
from histospace_core.slides.patches import CELL_PX, CELLS, PATCH_PX, Windows
from histospace_core.slides.pooling import window_means

Mask = npt.NDArray[np.bool_]
Measures = dict[str, npt.NDArray[np.float32]]

ARTEFACTS = {"pen": 0.1, "fold": 0.3}
"""Artefacts found on the overview, and the share of a tile from which the tile is left out."""

_STAINED = 215
"""Green below which a pixel holds stain: both stains absorb green, glass hardly any."""
BLANK = 0.02
"""Share of stained pixels below which a tile is blank."""
UNSHARP = 0.006
"""Detail below which a tile is not sharp: real tissue has 0.01 or more, after a blur of 2 um less
than 0.007."""
FIELD_MM2 = 0.06
"""Adjacent unsharp tiles are "out of focus" from this total area on, and "blurred" below it."""


def measure_tiles(tiles: RGB) -> Measures:
    """Measure the quality of tiles (n, h, w, 3): one value per tile.

    Returns
    -------
    dict
        "sharpness", the variance of the Laplacian of green, which both stains absorb most;
        "detail", the same relative to the variance of green itself, so that pale tissue is not
        taken for blurred; "brightness", the mean of green, 0 to 1; "stained", the share of pixels
        that hold stain. Every second pixel along each axis is used.
    """
    middle, laplacian = _green(tiles)
    return _measures(
        sharpness=laplacian.var((1, 2), dtype=np.float32),
        spread=middle.var((1, 2), dtype=np.float32),
        mean=middle.mean((1, 2), dtype=np.float32),
        stained=(middle < _STAINED).mean((1, 2), dtype=np.float32),
    )


def measure_windows(windows: Windows) -> Measures:
    """Measure the quality of tiles that are windows of patches, as `measure_tiles` does.

    A window between patches counts the cells that it cuts by their area.
    """
    middle, laplacian = (values.astype(np.float32) for values in _green(windows.patches))
    samples = [laplacian, laplacian**2, middle, middle**2, middle < _STAINED, np.ones_like(middle)]
    missing = PATCH_PX // 2 - middle.shape[1]  # the last sample of a patch has no neighbour
    sums = [
        np.pad(s, ((0, 0), (0, missing), (0, missing)))
        .reshape(len(s), CELLS, -1, CELLS, CELL_PX // 2)
        .sum((2, 4), dtype=np.float32)
        for s in samples
    ]
    *means, count = window_means(np.stack(sums, 1), windows).T
    edge, edge_squared, green, green_squared, stained = (mean / count for mean in means)
    measures = _measures(
        sharpness=edge_squared - edge**2,
        spread=green_squared - green**2,
        mean=green,
        stained=stained,
    )
    return {name: values.astype(np.float32) for name, values in measures.items()}


def _green(tiles: RGB) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Return green and its Laplacian at every second pixel that has four neighbours."""
    green = tiles[..., 1].astype(np.int16)  # differences of bytes would wrap around
    middle = green[:, 1:-1:2, 1:-1:2]
    across = green[:, 1:-1:2, :-2:2] + green[:, 1:-1:2, 2::2]
    along = green[:, :-2:2, 1:-1:2] + green[:, 2::2, 1:-1:2]
    return middle, across + along - 4 * middle


def _measures(
    sharpness: npt.NDArray, spread: npt.NDArray, mean: npt.NDArray, stained: npt.NDArray
) -> Measures:
    return {
        "sharpness": sharpness,
        "detail": sharpness / (spread + 50),  # 50: the noise of a camera, on glass
        "brightness": mean / 255,
        "stained": stained,
    }


def classify_tiles(
    measures: Measures, columns: npt.NDArray, rows: npt.NDArray, tile_mm2: float
) -> npt.NDArray:
    """Return for each tile "ok", "blank", "blurred" or "out of focus".

    Parameters
    ----------
    measures
        As `measure_tiles` returns them.
    columns, rows : int array (n,)
        Positions of the tiles on their grid.
    tile_mm2
        Area of a cell of the grid.
    """
    # dtype=object, because a fixed width would cut off longer reasons.
    reason = np.full(len(columns), "ok", dtype=object)
    blank = measures["stained"] < BLANK
    unsharp = (measures["detail"] < UNSHARP) & ~blank
    if unsharp.any():
        grid = np.zeros((int(rows.max()) + 1, int(columns.max()) + 1), bool)
        grid[rows[unsharp], columns[unsharp]] = True
        fields, _ = ndimage.label(grid, np.ones((3, 3)))  # diagonal neighbours touch too
        field = fields[rows, columns]
        # Field 0 holds the sharp tiles; `unsharp` excludes it below.
        large = np.bincount(field, minlength=1)[field] * tile_mm2 >= FIELD_MM2
        reason[unsharp] = "blurred"
        reason[unsharp & large] = "out of focus"
    reason[blank] = "blank"
    return reason


def pen_mask(image: RGB) -> Mask:
    """Return where an overview (h, w, 3) shows ink: blue, green, red or black.

    Haematoxylin and eosin absorb green most. So a vivid pixel with more green than red is ink, and
    so is a black pixel, or a red one without the blue of eosin.
    """
    red, green, blue = (image[..., i].astype(np.int16) for i in range(3))
    most = np.maximum(np.maximum(red, green), blue)
    vivid = most - np.minimum(np.minimum(red, green), blue)
    cold = (green - red > 25) & (vivid > 60)
    black = (most < 60) & (vivid < 25)
    scarlet = (red - green > 130) & (blue - green < 8)
    return ndimage.binary_opening(cold | black | scarlet, np.ones((3, 3)))


def fold_mask(image: RGB, tissue: Mask, um_per_px: float) -> Mask:
    """Return where an overview shows tissue in two layers: about twice as dense as the rest."""
    # A table: 256 logarithms instead of one for each pixel.
    density = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)
    layers = ndimage.gaussian_filter(density[image].mean(-1), 16 / um_per_px)
    if not tissue.any():
        return np.zeros_like(tissue)
    return tissue & (layers > max(1.2, 2.2 * float(np.median(layers[tissue]))))
