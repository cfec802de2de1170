"""Column and row of each spot on the lattice of its section."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from histospace_core.evaluation.spatial import pitch

_REACH = 1.3
"""Reach in pitches; it includes neighbours in a column or row, but no diagonal ones."""


def lattice_positions(centres: NDArray[np.floating]) -> Tensor:
    """Return column and row (n, 2), from 0, of spots with centres (n, 2) in px.

    The two steps of the lattice are the mean steps between neighbours, so that spots moved by hand
    and a rotated lattice do no harm. On a hexagonal lattice, every second row is shifted by half a
    column, which is rounded.
    """
    steps = _steps(centres)
    if steps is None:
        return torch.zeros(len(centres), 2, dtype=torch.int64)
    place = (centres - centres.mean(0)) @ np.linalg.inv(steps)
    # the origin of the lattice is a circular mean, because fractions wrap around at 1
    phase = np.angle(np.exp(2j * np.pi * place).mean(0)) / (2 * np.pi)
    whole = np.rint(place - phase).astype(np.int64)
    return torch.from_numpy(whole - whole.min(0))


def _steps(centres: NDArray[np.floating]) -> NDArray[np.float64] | None:
    """Return the mean step to the right and the mean step down, (2, 2); None without neighbours."""
    step = pitch(centres)
    if not np.isfinite(step) or step == 0:
        return None
    pairs = cKDTree(centres).query_pairs(_REACH * step, output_type="ndarray")
    apart = centres[pairs[:, 1]] - centres[pairs[:, 0]]
    means = []
    for axis in (0, 1):
        along = apart[np.abs(apart[:, axis]) > np.abs(apart[:, 1 - axis])]
        along = along * np.sign(along[:, [axis]])  # a pair may be in either order
        means.append(along.mean(0) if len(along) else step * np.eye(2)[axis])
    return np.array(means, dtype=np.float64)
