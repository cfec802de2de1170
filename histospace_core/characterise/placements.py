"""Random placements of a label map on its tissue: the null model of every test of regions."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from histospace_core.evaluation.spatial import pitch, raster

MIN_SHARE_ON_TISSUE = 0.5
"""A placement counts for a region if at least this share of the region's tiles is on tissue."""


def placements(
    centres: NDArray[np.floating], number: int, seed: int = 0
) -> Iterator[NDArray[np.intp]]:
    """Rotate, mirror and shift a label map at random, wrapped around its bounding box.

    The moved map keeps its shapes and its autocorrelation, while expression stays in place, so any
    association between the two is due to chance. This is the random-shift test of spatial
    statistics (Lotwick & Silverman 1982, J. R. Stat. Soc. B 44:406), extended by rotations and
    reflections, for tissue of any outline.

    Parameters
    ----------
    centres : (n, 2)
    number : int
        Placements to yield. One with less than half of the tiles on tissue is drawn again.

    Yields
    ------
    int, (n,)
        Index of the tile whose label moves onto each tile; -1 for none.
    """
    rng = np.random.default_rng(seed)
    nearest, covered = raster(centres)
    grid = np.where(covered, nearest, -1)
    step = pitch(centres)
    low = centres.min(0)
    size = np.array(grid.shape[::-1])  # columns, rows: in the order x, y
    middle = (size - 1) / 2
    cells = (centres - low) / step
    found = 0
    # Bounded: on a thin or scattered section, too few placements keep half of the tiles on tissue.
    for _ in range(100 * number):
        if found == number:
            return
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn[:, 0] *= rng.choice([-1, 1])
        moved = (cells - middle) @ turn.T + middle + rng.uniform(0, 1, 2) * size
        column, row = np.rint(moved).astype(np.intp).T % size[:, None]
        source = grid[row, column]
        if (source >= 0).mean() >= MIN_SHARE_ON_TISSUE:
            found += 1
            yield source
