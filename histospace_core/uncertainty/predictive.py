"""The predictive distribution of a gene in a tile, and its intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histospace_core.uncertainty.count_interval import (
    count_intervals,
    offset_class,
    offset_half_width,
)
from histospace_core.uncertainty.counting import Counting
from histospace_core.uncertainty.levels import LevelSpread
from histospace_core.uncertainty.maps import Maps

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Interval:
    """Lower and upper ends (tiles, genes) in the expression unit; NaN where unknown."""

    low: Values
    high: Values

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is an interval, (tiles, genes)."""
        return np.isfinite(self.low)

    @property
    def width(self) -> Values:
        """Width where there is an interval, else 0, (tiles, genes)."""
        return np.where(self.known, self.high - self.low, 0)

    def holds(self, values: NDArray[np.floating], slack: float) -> NDArray[np.bool_]:
        """Return where values lie in their interval, (tiles, genes).

        Parameters
        ----------
        slack
            Relative rounding error of the values: the ends are values of whole counts, which
            rounding must not move across.
        """
        room = slack * (1 + np.abs(values))
        return self.known & (values >= self.low - room) & (values <= self.high + room)


@dataclass(frozen=True, eq=False)
class Predictive:
    """What is known of expression where a model predicts it.

    The network says how a tile differs from the rest of its slide. The level of the whole slide
    comes from patients whose levels were counted, because an image hardly tells it.

    Attributes
    ----------
    counting
    level : LevelSpread
        The level to expect in a section of a new patient.
    spot_sd : float64 (genes,)
        Standard deviation of log10 rates of spots around their prediction.
    maps : Maps or None
        How much of what the maps show to expect in a section of a new patient; None if unknown.
    """

    counting: Counting
    level: LevelSpread
    spot_sd: Values
    maps: Maps | None = None

    def of(self, genes: NDArray[np.integer]) -> "Predictive":
        """Return the distribution of these genes, by place."""
        level = LevelSpread(
            self.level.mean[genes], self.level.sd[genes], self.level.df, self.level.n_groups
        )
        maps = None if self.maps is None else self.maps.of(genes)
        return Predictive(self.counting, level, self.spot_sd[genes], maps)

    @property
    def known_maps(self) -> Maps:
        """What to expect of maps.

        Raises
        ------
        ValueError
            It is unknown.
        """
        if self.maps is None:
            raise ValueError("it is not known how far the maps hold")
        return self.maps

    def rates(self, predicted: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return predicted counts per 10,000, (tiles, genes)."""
        return (10.0 ** self.counting.log_rate(np.asarray(predicted))).astype(np.float32)

    def slide_level(self, predicted: NDArray[np.floating]) -> Values:
        """Return log10 of the mean predicted rate over the tiles of a slide, (genes,).

        Parameters
        ----------
        predicted : (tiles, genes)
            In the expression unit; a tile with NaN is left out.
        """
        rates = 10.0 ** self.counting.log_rate(np.asarray(predicted, np.float64))
        known = np.isfinite(predicted)
        n = np.maximum(known.sum(0), 1)
        return np.log10(np.maximum(np.where(known, rates, 0).sum(0) / n, 1e-12))

    def log_rate(self, predicted: NDArray[np.floating], slide_level: Values) -> Values:
        """Return log10 counts per 10,000 in the middle of the distribution, (tiles, genes)."""
        rates = self.counting.log_rate(np.asarray(predicted, np.float64))
        return np.where(np.isfinite(predicted), rates - slide_level + self.level.mean, np.nan)

    def level_interval(
        self, predicted: NDArray[np.floating], slide_level: Values, p: float
    ) -> Interval:
        """Return the interval of expression itself, which no counting noise touches."""
        return self.around(self.log_rate(predicted, slide_level), p)

    def around(self, middle: Values, p: float) -> Interval:
        """Return the interval of expression around log10 rates, (tiles, genes)."""
        classes = zip(*offset_class(self.level.sd, self.spot_sd), strict=True)
        half = np.array([offset_half_width(int(a), int(b), self.level.df, p) for a, b in classes])
        known = np.isfinite(middle) & np.isfinite(self.level.sd)
        low, high = (
            np.where(known, self.counting.value(middle + sign * half), np.nan) for sign in (-1, 1)
        )
        return Interval(low, high)

    def measurement_interval(
        self,
        predicted: NDArray[np.floating],
        slide_level: Values,
        depth: NDArray[np.floating] | float,
        p: float,
    ) -> Interval:
        """Return the interval of what a measurement would show.

        Parameters
        ----------
        depth : (tiles,) or float
            Total counts of the spot.
        """
        return self.counted(self.log_rate(predicted, slide_level), depth, p)

    def counted(self, middle: Values, depth: NDArray[np.floating] | float, p: float) -> Interval:
        """Return the interval of measurements around log10 rates, (tiles, genes)."""
        depths = np.broadcast_to(np.asarray(depth, np.float64), len(middle))[:, None]
        with np.errstate(divide="ignore"):
            log_mean = middle + np.log10(depths / 1e4)
        low, high = np.full(log_mean.shape, np.nan), np.full(log_mean.shape, np.nan)
        level_class, spot_class = offset_class(self.level.sd, self.spot_sd)
        classes, of_gene = np.unique(
            np.stack([level_class, spot_class]), axis=1, return_inverse=True
        )
        for i, (a, b) in enumerate(classes.T):
            genes = np.flatnonzero(of_gene == i)
            low[:, genes], high[:, genes] = count_intervals(
                log_mean[:, genes], int(a), int(b), self.level.df, p
            )
        known = np.isfinite(log_mean) & np.isfinite(self.level.sd) & (depths > 0)
        return Interval(
            *(
                np.where(known, self.counting.measured(end, np.maximum(depths, 1)), np.nan)
                for end in (low, high)
            )
        )
