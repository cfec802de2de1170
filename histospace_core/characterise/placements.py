"""Random placements of a label map on its tissue: the null of every test of regions here."""

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

    A map of labels that is moved in this way keeps its shapes and its autocorrelation, while
    expression stays where it is, so that any link between the two is due to chance. This is the
    random-shift test of spatial statistics (Lotwick & Silverman 1982, J. R. Stat. Soc. B 44:406),
    with rotations and reflections, for tissue of any outline.

    Parameters
    ----------
    centres : (n, 2)
    number : int
        How many to yield. A placement with less than half of the tiles on tissue is drawn again.

    Yields
    ------
    (n,) index of the tile whose label is moved onto each tile, -1 where there is none.
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
