"""Whether intervals cover what was measured on sections that nothing was learnt from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from histospace_core.evaluation import HeldOut
from histospace_core.uncertainty.predictive import Predictive

CURVE = (0.5, 0.7, 0.8, 0.9, 0.95)
"""Nominal probabilities at which the coverage is measured."""
_QUARTERS = 4
_STORED = 1e-3
"""Relative rounding error of held-out values, which are stored in half precision."""


@dataclass(frozen=True)
class Coverage:
    """Share of measured values (spots x genes) inside their interval, at one probability.

    Attributes
    ----------
    width : float
        Mean width in the expression unit.
    by_depth : tuple of float
        Coverage of the quarters of the spots by total count, the shallowest first.
    by_domain : tuple of float
        The same by domain score, the most usual tissue first; empty if it is unknown.
    """

    share: float
    width: float
    by_depth: tuple[float, ...]
    by_domain: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the values rounded for a record."""
        return {
            "coverage": round(self.share, 4),
            "width": round(self.width, 4),
            "by_depth": [round(s, 4) for s in self.by_depth],
            **({"by_domain": [round(s, 4) for s in self.by_domain]} if self.by_domain else {}),
        }


def measure_coverage(predictive: Predictive, held: HeldOut, p: float) -> Coverage:
    """Measure the coverage of the measurements of a held-out section at its spots' depths.

    Parameters
    ----------
    predictive
        Of the genes of `held`, and learnt without its patient (or section).
    """
    spots = held.depths > 0
    slide_level = predictive.slide_level(held.predicted)
    interval = predictive.measurement_interval(
        held.predicted[spots], slide_level, held.depths[spots], p
    )
    known = interval.known & held.counted
    inside = known & interval.holds(held.measured[spots], _STORED)
    width = np.where(known, interval.width, 0)
    n = max(int(known.sum()), 1)

    def by(order: np.ndarray) -> tuple[float, ...]:
        parts = np.array_split(np.argsort(order, kind="stable"), _QUARTERS)
        return tuple(float(inside[i].sum() / max(known[i].sum(), 1)) for i in parts)

    domain = () if held.domain is None else by(held.domain[spots])
    return Coverage(float(inside.sum() / n), float(width.sum() / n), by(held.depths[spots]), domain)
