"""How alike the residuals of two spots are: neighbouring spots repeat each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.distance import pdist, squareform

Values = NDArray[np.float64]

N_CLASSES = 10
"""Distance classes, each with as many pairs of spots."""
_REACH = 0.5
"""Pairs further apart than this share of the largest distance say little: few places have them."""


@dataclass(frozen=True)
class Autocorrelation:
    """Correlation of the residuals of two spots: `share` * exp(-distance / `range_um`).

    The rest, 1 - `share`, is the spot's own (the nugget of a variogram).
    """

    share: float
    range_um: float

    def at(self, um: NDArray[np.floating]) -> Values:
        """Return the correlation at these distances; 1 at distance 0, a spot with itself."""
        return np.where(um <= 0, 1.0, self.share * np.exp(-np.asarray(um) / self.range_um))


@dataclass(frozen=True, eq=False)
class Correlogram:
    """Covariance of residuals by distance, relative to their variance, over all genes of a section.

    The residuals of a section add up to 0, so the covariance of distant spots is below 0.

    Attributes
    ----------
    um, covariance : float64 (classes,)
    """

    um: Values
    covariance: Values


def correlogram(
    residuals: Iterable[tuple[Values, Values]], xy_um: NDArray[np.floating]
) -> tuple[Correlogram, Values]:
    """Return the correlogram of a section, and the variance of each gene's relative residuals.

    The relative residual of a rate is count / expected - 1. Counting noise is independent between
    spots, so it has no part in a covariance, and its part in the variance, 1 / expected, is
    subtracted.

    Parameters
    ----------
    residuals
        Counts minus expected counts, and expected counts, (spots, genes), of some genes after
        others; the residuals of a gene add up to 0.
    xy_um : (spots, 2)
    """
    distance = squareform(pdist(xy_um))
    within = (distance > 0) & (distance <= _REACH * float(distance.max(initial=0)))
    if not within.any():
        empty = np.empty(0)
        return Correlogram(empty, empty), np.concatenate(
            [np.zeros(r.shape[1]) for r, _ in residuals]
        )
    edges = np.unique(np.quantile(distance[within], np.linspace(0, 1, N_CLASSES + 1)))
    place = np.searchsorted(edges[1:-1], distance, side="left")
    classes = [(within & (place == i)).astype(np.float64) for i in range(len(edges) - 1)]
    products, powers = np.zeros((2, 1 + len(classes)))
    variance, noise = [], []
    for residual, expected in residuals:
        power = (expected**2).sum(0)
        own = (residual**2 - expected).sum(0)
        variance.append(own / np.maximum(power, 1e-12))
        noise.append((expected + 2 * expected**2).sum(0) / np.maximum(power, 1e-12) ** 2)
        products += [own.sum(), *((residual * (near @ residual)).sum() for near in classes)]
        powers += [power.sum(), *((expected * (near @ expected)).sum() for near in classes)]
    covariance = products / np.maximum(powers, 1e-12)
    um = np.array([distance[near > 0].mean() for near in classes])
    relative = covariance[1:] / covariance[0] if covariance[0] > 0 else np.zeros(len(um))
    return Correlogram(um, relative), _shrunk(np.concatenate(variance), np.concatenate(noise))


def _shrunk(values: Values, noise: Values) -> Values:
    """Shrink each gene's variance to the mean of all, by its noise (empirical Bayes), from 0."""
    counted = noise > 0
    noise = np.where(counted, noise, np.inf)
    weight = 1 / noise
    total = weight.sum()
    if total == 0:
        return np.zeros(len(values))
    mean = (weight * values).sum() / total
    excess = (weight * (values - mean) ** 2).sum() - (counted.sum() - 1)
    spread = max(excess / max(total - (weight**2).sum() / total, 1e-12), 1e-9)
    mean = float(np.average(values, weights=1 / (spread + noise)))
    return np.maximum((values / noise + mean / spread) / (1 / noise + 1 / spread), 0)


def fit_autocorrelation(correlograms: Sequence[Correlogram]) -> Autocorrelation:
    """Fit share and range to the correlograms of sections, each section alike.

    Each section may lie lower by a constant, because its residuals add up to 0.
    """
    known = [c for c in correlograms if len(c.um) > 2]
    if not known:
        return Autocorrelation(0.0, 1.0)
    reach = max(float(c.um.max()) for c in known)

    def off(x: Values) -> Values:
        share, log_range, *lower = x
        return np.concatenate(
            [
                (1 + down) * share * np.exp(-c.um / np.exp(log_range)) - down - c.covariance
                for c, down in zip(known, lower, strict=True)
            ]
        )

    start = [0.5, np.log(reach / 4), *[0.1] * len(known)]
    low = [0.0, np.log(min(float(c.um.min()) for c in known) / 4), *[0.0] * len(known)]
    high = [1.0, np.log(2 * reach), *[1.0] * len(known)]
    share, log_range = least_squares(off, start, bounds=(low, high)).x[:2]
    return Autocorrelation(float(share), float(np.exp(log_range)))
