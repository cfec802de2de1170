"""Differences between regions: weights, moments, and standard errors under placements."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histospace_core.characterise.placements import MIN_SHARE_ON_TISSUE, placements

_TOGETHER = 8
"""Placements processed at once; memory grows as tiles x regions x this."""
_BLOCK = 8192  # tiles at once: the squares of a whole slide would double the memory


class Side(NamedTuple):
    """One side of a comparison: the number of tiles, and the mean and variance of each gene."""

    size: int
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Sums of centred expression and of its squares by region, (regions, genes) each."""

    sizes: NDArray[np.intp]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    centre: NDArray[np.float64]

    def of(self, regions: Sequence[int]) -> Side:
        """Return mean and variance over the tiles of these regions together."""
        chosen = list(regions)
        size = int(self.sizes[chosen].sum())
        mean = self.sums[chosen].sum(0) / max(size, 1)
        # the sums are centred, so this subtraction keeps its digits
        variance = self.squares[chosen].sum(0) / max(size, 1) - mean**2
        return Side(size, mean + self.centre, np.maximum(variance, 0.0))


def moments(
    centred: NDArray[np.float32],
    labels: NDArray[np.intp],
    n_regions: int,
    centre: NDArray[np.float64],
) -> Moments:
    """Return the moments of every region in one pass over the expression, block by block.

    Parameters
    ----------
    centred : (n, genes)
        Expression minus `centre`.
    labels : int, (n,)
        -1 for tiles to ignore.
    n_regions : int
    centre : (genes,)
    """
    sums = np.zeros((n_regions, centred.shape[1]))
    squares = np.zeros(sums.shape)
    for start in range(0, len(centred), _BLOCK):
        block = centred[start : start + _BLOCK]
        here = labels[start : start + _BLOCK, None] == np.arange(n_regions)
        member = here.T.astype(np.float32)
        sums += member @ block
        squares += member @ block**2
    sizes = np.bincount(labels[labels >= 0], minlength=n_regions).astype(np.intp)
    return Moments(sizes, sums, squares, centre)


def contrasts(
    labels: NDArray[np.intp], tested: Sequence[int], other: int | None
) -> NDArray[np.float32]:
    """Return weights (n, tested) whose product with expression is mean inside minus mean outside.

    Outside is the region `other`, or all other regions if it is None.
    """
    number = max([*tested, other or 0, int(labels.max(initial=0))]) + 1
    size = np.bincount(labels[labels >= 0], minlength=number)
    weight = np.zeros((number + 1, len(tested)), dtype=np.float32)  # the last row is for label -1
    for column, region in enumerate(tested):
        outside = size.sum() - size[region] if other is None else size[other]
        weight[slice(number) if other is None else other, column] = -1 / max(outside, 1)
        weight[region, column] = 1 / max(size[region], 1)
    return weight[labels]


def null_error(
    centred: NDArray[np.float32],
    labels: NDArray[np.intp],
    centres: NDArray[np.float64],
    tested: Sequence[int],
    other: int | None,
    number: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the standard error of each difference under random placements.

    The differences that the regions explain are subtracted first; otherwise the signal of a region
    as large as half the tissue would count as noise. A placement that overlaps the region itself
    then has little variance left, so its weight is (1 - |r|)^2, with r its cosine with the region.
    White noise would need 1 - r^2; the smaller weight was chosen by simulation for smooth noise.

    Returns
    -------
    error : (tested, genes)
    degrees_of_freedom : (tested,)
        Sum of the weights of the placements.
    """
    own = contrasts(labels, tested, other)
    sides = [(own > 0).astype(np.float32), (own < 0).astype(np.float32)]
    means = [(side / np.maximum(side.sum(0), 1)).T @ centred for side in sides]
    squares, counted = np.zeros(means[0].shape), np.zeros(len(tested))
    drawn = placements(centres, number, seed)
    # ends at the first empty list
    for together in iter(lambda: list(islice(drawn, _TOGETHER)), []):
        placed = [np.where(source >= 0, labels[source], -1) for source in together]
        weights = np.concatenate([contrasts(p, tested, other) for p in placed], axis=1)
        left = _by_region(weights.T @ centred, len(tested))
        overlap = [_diagonal(weights, side) for side in sides]
        for shared, mean in zip(overlap, means, strict=True):
            left -= shared[:, :, None] * mean
        lengths = _by_region((weights**2).sum(0), len(tested))
        # own weights only where the placement lies, since part of it may be off the tissue
        lengths = lengths * _diagonal((weights != 0).astype(np.float32), own**2)
        cosine = _diagonal(weights, own) / np.sqrt(np.maximum(lengths, 1e-30))
        on_tissue = np.minimum(
            _by_region((weights > 0).sum(0), len(tested)) / sides[0].sum(0),
            _by_region((weights < 0).sum(0), len(tested)) / sides[1].sum(0),
        )
        valid = on_tissue >= MIN_SHARE_ON_TISSUE
        share = np.where(valid, (1 - np.minimum(np.abs(cosine), 1)) ** 2, 0)
        # Removing the overlap has already scaled the squares by the share; weigh only the divisor.
        squares += ((share > 0)[:, :, None] * left.astype(np.float64) ** 2).sum(0)
        counted += share.sum(0)
    # without a valid placement the error is unknown, not 0
    counted = np.where(counted > 0, counted, np.nan)
    return np.sqrt(squares / counted[:, None]), counted


def _by_region(values: NDArray, n_regions: int) -> NDArray:
    """Split the first axis (placements x regions) into two axes."""
    return values.reshape(-1, n_regions, *values.shape[1:])


def _diagonal(weights: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the products of each region's weights with its own column, (placements, regions)."""
    n_regions = columns.shape[1]
    every = _by_region(weights.T @ columns, n_regions)
    return every[:, np.arange(n_regions), np.arange(n_regions)]
