"""How much of what a map shows is there: the slope of measured on predicted deviations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from histospace_core.uncertainty.autocorrelation import (
    Correlogram,
    correlogram,
    fit_autocorrelation,
)

Values = NDArray[np.float64]

RADII_UM = (200.0, 600.0)
"""A map is averaged within these distances: over the neighbours, over a region."""
BANDS = ("map", "detail", "neighbours", "regions")
"""The whole map; the detail that averaging over neighbours removes; what averaging over regions
removes then; what remains."""
_TOLERANCE = 1.25
"""Neighbours on a lattice of 200 um are not all 200 um apart."""
_MOST_SPOTS = 2_000
"""More are drawn at random, because all pairs of them are looked at."""
_MOST_ALIKE = 1e6
"""Condition number from which on parts of a map cannot be told apart."""
_GENES_AT_ONCE = 512  # limits memory


@dataclass(frozen=True, eq=False)
class MapEvidence:
    """What the counts of a held-out section say about its predicted maps.

    Attributes
    ----------
    genes : tuple of str
    slope, error : float64 (bands, genes)
        Slope of measured on predicted deviations from the section's mean, for each of `BANDS`, and
        its standard error; NaN where nothing was counted or the map is flat.
    correlogram : Correlogram
        Of the residuals around the section's mean.
    """

    section: str
    patient: str
    genes: tuple[str, ...]
    slope: Values
    error: Values
    correlogram: Correlogram


def map_evidence(
    section: str,
    patient: str,
    genes: Sequence[str],
    counts: sparse.csr_matrix | sparse.csr_array,
    depths: NDArray[np.floating],
    log_rates: Values,
    xy_um: NDArray[np.floating],
) -> MapEvidence:
    """Weigh predicted maps by the counts of a section.

    With counts y, expected counts e if a gene had one rate everywhere, and a predicted relative
    deviation x of the rate (its mean over the counted molecules removed), the slope is
    sum x (y - e) / sum e x^2: 1 if the map is right, 0 if it is unrelated. The parts of the map are
    regressed on together. Neither the depth of the
    spots nor counting noise biases it. Its error takes into account that counts are Poisson and
    that neighbouring spots are alike.

    Parameters
    ----------
    counts : (spots, genes)
    depths : (spots,)
        Total counts of each spot; spots without counts are left out.
    log_rates : (spots, genes)
        Predicted log10 counts per 10,000, up to a constant for each gene.
    xy_um : (spots, 2)
    """
    use = np.flatnonzero(depths > 0)
    if len(use) > _MOST_SPOTS:
        use = np.sort(np.random.default_rng(0).choice(use, _MOST_SPOTS, replace=False))
    columns, depth, xy = sparse.csc_matrix(counts)[use], depths[use, None], xy_um[use]
    weights = [averaging(xy, radius) for radius in RADII_UM]
    parts = np.array_split(np.arange(len(genes)), -(-len(genes) // _GENES_AT_ONCE))

    def blocks() -> Iterator[tuple[Values, Values, Values]]:
        for part in parts:
            dense = columns[:, part].toarray().astype(np.float64)
            expected = depth * (dense.sum(0) / depth.sum())
            rates = 10.0 ** log_rates[np.ix_(use, part)]
            yield dense - expected, expected, rates / ((depth * rates).sum(0) / depth.sum()) - 1

    curve, variance = correlogram(((residual, expected) for residual, expected, _ in blocks()), xy)
    alike = fit_autocorrelation([curve]).at(squareform(pdist(xy)))
    slope, error = np.full((2, len(BANDS), len(genes)), np.nan)
    for part, (residual, expected, relative) in zip(parts, blocks(), strict=True):
        bands = _bands(relative, weights)
        for first, together in ((0, [relative]), (1, bands)):
            found = _slopes(together, residual, expected, variance[part], alike)
            for values, one in zip((slope, error), found, strict=True):
                values[first : first + len(one), part] = one
    return MapEvidence(section, patient, tuple(genes), slope, error, curve)


def _bands(relative: Values, weights: Sequence[sparse.csr_array]) -> list[Values]:
    """Return the parts of the map, in the order of `BANDS`; they add up to it."""
    averaged = [weight @ relative for weight in weights]
    detail = [fine - coarse for fine, coarse in pairwise([relative, *averaged])]
    return [*detail, averaged[-1]]


def _slopes(
    parts: Sequence[Values], residual: Values, expected: Values, variance: Values, alike: Values
) -> tuple[Values, Values]:
    """Regress the residuals on parts of the map; return slopes and errors, (parts, genes)."""
    total = expected.sum(0)
    known = (total > 0) & np.all([np.ptp(x, axis=0) > 1e-6 for x in parts], axis=0)
    expected = np.where(known, expected, 1)
    centred = [x - (expected * x).sum(0) / expected.sum(0) for x in parts]
    weighed = [expected * x for x in centred]
    spread = [alike @ w for w in weighed]
    power, covariance = np.empty((2, len(known), len(parts), len(parts)))
    for i, w in enumerate(weighed):
        for j in range(len(parts)):
            power[:, i, j] = (w * centred[j]).sum(0)
            # the residuals are alike in neighbouring spots, and counting adds noise of its own
            covariance[:, i, j] = variance * (w * spread[j]).sum(0) + power[:, i, j]
    known &= np.linalg.cond(power) < _MOST_ALIKE
    inverse = np.linalg.inv(np.where(known[:, None, None], power, np.eye(len(parts))))
    score = np.stack([(x * residual).sum(0) for x in centred], 1)
    slope = (inverse @ score[:, :, None])[:, :, 0]
    error = np.sqrt(np.einsum("gij,gjk,gki->gi", inverse, covariance, inverse))
    return np.where(known, slope.T, np.nan), np.where(known, error.T, np.nan)


def reach_um(radius_um: float) -> float:
    """Return the distance up to which tiles count as within a radius."""
    return _TOLERANCE * radius_um


def averaging(xy_um: NDArray[np.floating], radius_um: float) -> sparse.csr_array:
    """Return the weights that average a map within a distance, (spots, spots), rows adding to 1."""
    pairs = cKDTree(xy_um).query_pairs(reach_um(radius_um), output_type="ndarray")
    own = np.arange(len(xy_um))
    rows = np.concatenate([own, pairs[:, 0], pairs[:, 1]])
    columns = np.concatenate([own, pairs[:, 1], pairs[:, 0]])
    share = 1 / np.bincount(rows, minlength=len(xy_um))
    return sparse.csr_array((share[rows], (rows, columns)), shape=(len(xy_um), len(xy_um)))
