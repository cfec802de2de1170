"""Counting: what a rate of expression gives when it is counted at some depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from histospace_core.expression.normalise import NORMALISATIONS

Values = NDArray[np.float64]

_UNITS = ("log10_cp10k", "log1p_cp10k", "cp10k")
_LOG_RATES = np.arange(-3, 4.001, 0.025)
"""Grid of log10 counts per 10,000: from one count in ten million to all of them."""
_EXACT = 50.0
"""Above this expected count, a normal distribution replaces the Poisson."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


def is_supported(unit: str) -> bool:
    """Return whether values of this expression unit are functions of counts per 10,000."""
    return unit in _UNITS


def typical_depths(libraries: Sequence[NDArray[np.floating]]) -> Values:
    """Return nine evenly spaced quantiles of the total counts of spots, each section alike."""
    shares = np.linspace(0.05, 0.95, 9)
    counted = [depths[depths > 0] for depths in map(np.asarray, libraries)]
    return np.mean([np.quantile(depths, shares) for depths in counted if len(depths)], axis=0)


@dataclass(frozen=True, eq=False)
class Counting:
    """Poisson counting of the spots that a model was trained on.

    Attributes
    ----------
    unit
        Expression unit: log10_cp10k, log1p_cp10k or cp10k.
    depths : float64 (d,)
        Typical total counts of the training spots.
    """

    unit: str
    depths: Values

    def value(self, log_rate: Values) -> Values:
        """Return log10 counts per 10,000 in the expression unit, without counting noise."""
        return self.measured(10.0**log_rate, np.full(log_rate.shape, 1e4))

    def measured(self, counts: Values, depth: Values) -> Values:
        """Return counts at a depth (total counts of the spot) in the expression unit."""
        return NORMALISATIONS[self.unit][1](counts, depth)

    def expected(self, log_rate: Values) -> Values:
        """Return the mean measured value of spots of these log10 counts per 10,000."""
        return np.interp(log_rate, _LOG_RATES, self._expected)

    def log_rate(self, value: NDArray[np.floating]) -> Values:
        """Return the log10 counts per 10,000 whose mean measured value this is.

        A network that is trained on counts predicts such means. They are below the value of the
        rate itself, because a logarithm of noisy counts is too low on average.
        """
        return np.interp(value, self._expected, _LOG_RATES)

    @cached_property
    def _expected(self) -> Values:
        mean = self.depths * 10.0 ** _LOG_RATES[:, None] / 1e4  # (rates, depths)
        k = np.arange(4 * int(_EXACT))
        few = np.zeros(mean.shape)
        for j, depth in enumerate(self.depths):
            values = self.measured(k.astype(float), np.full(len(k), depth))
            few[:, j] = poisson.pmf(k, np.minimum(mean[:, j], _EXACT)[:, None]) @ values
        drawn = np.maximum(mean[..., None] + np.sqrt(mean)[..., None] * _NODES, 0)
        depth = np.broadcast_to(self.depths[:, None], drawn.shape)
        many = self.measured(drawn, depth) @ (_WEIGHTS / _WEIGHTS.sum())
        # an inverse needs a strictly rising table
        table = np.where(mean < _EXACT, few, many).mean(1)
        return np.maximum.accumulate(table) + 1e-9 * np.arange(len(table))
