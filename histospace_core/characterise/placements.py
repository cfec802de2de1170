"""A label map moved elsewhere on the same tissue: the null of every test of regions here."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from histospace_core.evaluation.spatial import pitch, raster

LEAST_KEPT = 0.5
"""A placement counts for a region if it keeps at least this share of its tiles on the tissue."""


def placements(
    centres: NDArray[np.floating], number: int, seed: int = 0
) -> Iterator[NDArray[np.intp]]:
    """Turn, mirror and shift the section at random, wrapped around its bounding box.

    Laid out anew so, a map of labels keeps its shapes and its autocorrelation and loses its place,
    while expression stays where it is. This is the random-shift test of spatial statistics (Lotwick
    & Silverman 1982, J. R. Stat. Soc. B 44:406), with turns and reflections, on tissue of any
    outline.

    Parameters
    ----------
    centres : (n, 2)
    number : int
        Placements that leave at least half of the tiles on tissue; the others are drawn again.

    Yields
    ------
    (n,) index of the tile whose label comes to lie on each tile, -1 where none does.
    """
    rng = np.random.default_rng(seed)
    nearest, covered = raster(centres)
    grid = np.where(covered, nearest, -1)
    step = pitch(centres)
    low = centres.min(0)
    size = np.array(grid.shape[::-1])
    middle = (size - 1) / 2
    cells = (centres - low) / step
    found = 0
    for _ in range(100 * number):
        if found == number:
            return
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn[:, 0] *= rng.choice([-1, 1])
        moved = (cells - middle) @ turn.T + middle + rng.uniform(0, 1, 2) * size
        column, row = np.rint(moved).astype(np.intp).T % size[:, None]
        source = grid[row, column]
        if (source >= 0).mean() >= LEAST_KEPT:
            found += 1
            yield source
