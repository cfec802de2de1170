"""The narrowest interval of a count whose log rate is uncertain.

The log10 rate has an offset from its prediction: Student's t for the level of the patient plus a
normal for the spot. Given the rate, the count is Poisson. Offsets are rounded to classes, and each
class has one table of intervals over the predicted mean, so that millions of intervals are looked
up, not computed.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, poisson
from scipy.stats import t as student

Values = NDArray[np.float64]

_STEP = 0.02
"""Rounding of standard deviations, log10."""
_GRID_STEP = 0.025
_OFFSETS = np.arange(-100, 101) * _GRID_STEP
_MEANS = np.arange(-4, 4.5001, _GRID_STEP)
"""log10 of the predicted mean count; below it, the interval is 0 to 0."""
_RATES = np.arange(_MEANS[0] + _OFFSETS[0], _MEANS[-1] + _OFFSETS[-1] + 1e-9, _GRID_STEP)
_SINGLE = 64
"""Up to this count, each has its own probability; larger ones are in bins 3 % wide."""


def offset_class(level_sd: Values, spot_sd: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the class of each gene's offset, by both standard deviations (log10)."""
    return (
        np.rint(np.nan_to_num(level_sd) / _STEP).astype(np.int64),
        np.rint(np.nan_to_num(spot_sd) / _STEP).astype(np.int64),
    )


def offset_half_width(level_class: int, spot_class: int, df: float, p: float) -> float:
    """Return the half-width of the central interval of the offset that has probability p."""
    mass = _offset(level_class, spot_class, df)
    centred = np.cumsum(mass) - mass / 2
    middle = _mean_shift(spot_class)
    upper = float(np.interp((1 + p) / 2, centred, _OFFSETS))
    return max(upper + middle, 0.0)


def count_intervals(
    log_mean: Values, level_class: int, spot_class: int, df: float, p: float
) -> tuple[Values, Values]:
    """Return the lowest and highest count of the narrowest intervals of probability p.

    The likelier of the two counts just outside is taken half, so that coverage is p on average over
    genes; if each interval had at least p, it would exceed p wherever most counts are 0.

    Parameters
    ----------
    log_mean
        log10 of the predicted mean count, any shape.
    """
    low, high = _table(level_class, spot_class, df, p)
    # beyond the table, counting adds next to nothing, so the interval grows in proportion
    beyond = 10.0 ** np.maximum(np.nan_to_num(log_mean) - _MEANS[-1], 0)
    place = np.rint((log_mean - _MEANS[0]) / _GRID_STEP)
    place = np.clip(np.nan_to_num(place), 0, len(_MEANS) - 1).astype(np.intp)
    return low[place] * beyond, high[place] * beyond


@lru_cache(maxsize=4096)
def _table(level_class: int, spot_class: int, df: float, p: float) -> tuple[Values, Values]:
    """Return the lowest and highest count for each mean of the grid."""
    first, last = _bins()
    mass = _offset(level_class, spot_class, df)
    # rows of rates that an offset from each mean reaches
    windows = np.lib.stride_tricks.sliding_window_view(_count_mass(), len(_OFFSETS), axis=0)
    probability = windows[: len(_MEANS)] @ mass  # (means, bins)
    upto = np.cumsum(probability, 1)
    half = probability / 2
    width_low, width_high = np.log10(first + 0.5), np.log10(last + 0.5)
    low, high = np.zeros(len(_MEANS)), np.zeros(len(_MEANS))
    for i in range(len(_MEANS)):
        start = np.append(0, upto[i, :-1])
        a = np.flatnonzero(start <= 1 - p)
        # bins a to b suffice with half of the bin above b, or with half of the one below a
        above = np.searchsorted(upto[i] - half[i], start[a] + p) - 1
        below = np.searchsorted(upto[i], start[a] + p - np.append(0, half[i])[a])
        b = np.clip(np.minimum(above, below), a, len(last) - 1)
        best = np.argmin(width_high[b] - width_low[a])
        low[i], high[i] = first[a[best]], last[b[best]]
    return low, high


@lru_cache(maxsize=4096)
def _offset(level_class: int, spot_class: int, df: float) -> Values:
    """Return the probability of each offset of the grid."""
    mass = np.zeros(len(_OFFSETS))
    mass[len(mass) // 2] = 1
    for sd, cdf in (
        (level_class * _STEP, lambda x: student.cdf(x, df)),
        (spot_class * _STEP, norm.cdf),
    ):
        if sd > 0:
            edges = np.append(_OFFSETS, _OFFSETS[-1] + _GRID_STEP) - _GRID_STEP / 2
            step = np.diff(cdf(edges / sd))
            mass = np.convolve(mass, step, "same")
    shifted = np.interp(_OFFSETS, _OFFSETS - _mean_shift(spot_class), mass)
    return shifted / shifted.sum()


def _mean_shift(spot_class: int) -> float:
    """Return by how much the median rate of a spot is below its mean rate, log10."""
    return (spot_class * _STEP) ** 2 * np.log(10) / 2


@lru_cache(maxsize=1)
def _bins() -> tuple[Values, Values]:
    """Return the first and last count of each bin."""
    wide = np.unique(np.floor(_SINGLE * 1.03 ** np.arange(340)))
    first = np.concatenate([np.arange(_SINGLE), wide])
    return first, np.append(first[1:] - 1, first[-1])


@lru_cache(maxsize=1)
def _count_mass() -> Values:
    """Return the probability of each bin of counts at each rate, (rates, bins)."""
    first, _ = _bins()
    below = poisson.cdf(np.append(first[1:] - 1, np.inf), 10.0 ** _RATES[:, None])
    return np.diff(below, axis=1, prepend=0)
