"""A region of a slide as a whole: its expression, and how it differs from the rest."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import norm

from histospace_core.uncertainty.autocorrelation import Autocorrelation
from histospace_core.uncertainty.predictive import Interval, Predictive

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOST_TILES = 400
"""More tiles of a side are drawn at random to average over their pairs."""
_SPOT_SD = np.arange(0, 0.821, 0.02)
"""Grid of standard deviations of spots, log10."""


@dataclass(frozen=True, eq=False)
class RegionContrast:
    """How a region differs from the rest of its slide, (genes,), NaN where unknown.

    Attributes
    ----------
    log10_ratio, sd
        Of the expression of the region to that of the rest, and its standard deviation.
    """

    log10_ratio: Values
    sd: Values

    @property
    def wrong(self) -> Values:
        """Probability that the direction is the opposite one, (genes,), at most 0.5."""
        return norm.sf(np.abs(self.log10_ratio) / self.sd)

    def half_width(self, p: float) -> Values:
        """Return the half-width of the central interval of the log10 ratio, (genes,)."""
        return self.sd * norm.ppf((1 + p) / 2)


@dataclass(frozen=True, eq=False)
class Region:
    """A region of a slide, and what it is compared with.

    Its expression is that of its counts added up. Neighbouring tiles are off in the same direction,
    so a region is less sure than independent tiles would make it.

    Attributes
    ----------
    inside, outside : bool (tiles,)
        Tiles of the region, and those that it is compared with; only tiles with a prediction.
    xy_um : (tiles, 2)
        Centres.
    depth : (tiles,), optional
        Total counts of spots, for a measured region; else all tiles weigh alike.

    Raises
    ------
    ValueError
        A side has no tile.
    """

    inside: Mask
    outside: Mask
    xy_um: NDArray[np.floating]
    depth: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        if not (self.inside.any() and self.outside.any()):
            raise ValueError("a region and what it is compared with both need a tile")

    def interval(self, predictive: Predictive, rates: NDArray[np.floating], p: float) -> Interval:
        """Return the interval of the expression of the region as a whole, (1, genes).

        With `depth`, it is that of the measured expression.

        Parameters
        ----------
        predictive
            With `maps`.
        rates : (tiles, genes)
            Predicted counts per 10,000 (`Predictive.rates`).
        """
        maps, level = predictive.known_maps, predictive.level
        slide = self.inside | self.outside
        shown = np.log10(self._mean(rates, self.inside) / self._mean(rates, slide))
        # the slope can be off in both directions alike, as the level can
        level_sd = np.hypot(level.sd, maps.slope_sd * shown)
        spread = replace(
            predictive,
            level=replace(level, sd=level_sd),
            spot_sd=self._sd(predictive, whole=True),
        )
        middle = (level.mean + maps.slope * shown)[None]
        if self.depth is None:
            return spread.around(middle, p)
        return spread.counted(middle, np.array([self.depth[self.inside].sum()]), p)

    def contrast(self, predictive: Predictive, rates: NDArray[np.floating]) -> RegionContrast:
        """Return how the region differs from `outside`. Parameters: see `interval`."""
        maps = predictive.known_maps
        shown = np.log10(self._mean(rates, self.inside) / self._mean(rates, self.outside))
        sd = np.hypot(self._sd(predictive, whole=False), maps.slope_sd * shown)
        return RegionContrast(maps.slope * shown, sd)

    def _mean(self, rates: NDArray[np.floating], which: Mask) -> Values:
        weight = self._weight[which]
        return np.asarray(weight @ rates[which] / weight.sum(), np.float64)

    @cached_property
    def _weight(self) -> Values:
        return np.ones(len(self.inside)) if self.depth is None else np.asarray(self.depth, float)

    def _sd(self, predictive: Predictive, *, whole: bool) -> Values:
        """Return the deviation of the ratio of the region from the map, log10 (genes,).

        The ratio is that to `outside`, or to the whole slide.

        A tile's rate differs from the map by a lognormal factor of mean 1, alike in neighbouring
        tiles. Tiles count by their weight alone, as if the map were flat.
        """
        curve = self._curve(predictive.known_maps.autocorrelation, whole)
        return np.interp(predictive.spot_sd, _SPOT_SD, curve)

    def _curve(self, alike: Autocorrelation, whole: bool) -> Values:
        """Return the deviation for each standard deviation of spots, `_SPOT_SD`."""
        key = (alike, whole)
        if key not in self._curves:
            rng = np.random.default_rng(0)
            other = self.inside | self.outside if whole else self.outside
            sides = [_some(np.flatnonzero(which), rng) for which in (self.inside, other)]
            place = np.concatenate(sides)
            share = np.concatenate(
                [
                    sign * self._weight[side] / self._weight[side].sum()
                    for side, sign in zip(sides, (1, -1), strict=True)
                ]
            )
            xy = np.asarray(self.xy_um, np.float64)[place]
            correlation = alike.at(cdist(xy, xy))
            variance = [
                share @ np.expm1((sd * np.log(10)) ** 2 * correlation) @ share for sd in _SPOT_SD
            ]
            found = np.sqrt(np.log1p(np.maximum(variance, 0))) / np.log(10)
            self._curves[key] = np.asarray(found)
        return self._curves[key]

    @cached_property
    def _curves(self) -> dict[tuple[Autocorrelation, bool], Values]:
        return {}


def _some(tiles: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    return tiles if len(tiles) <= _MOST_TILES else rng.choice(tiles, _MOST_TILES, replace=False)
