"""Whether the measured values of a comparison lie in the intervals of their prediction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.inference.prediction import Prediction
from histospace_core.uncertainty import PROMISED

LAYERS = ("interval_low", "interval_high")
COVERAGE = "interval_coverage"
"""Column of `genes.csv`: the share of the gene's spots whose measured value is in the interval."""

_CLOSE = 0.05
_SINGLE = 1e-4
"""Relative rounding error of values in single precision, with a margin."""


@dataclass(frozen=True, eq=False)
class SpotIntervals:
    """Intervals of measured values at the depth of each spot.

    Attributes
    ----------
    low, high : float32 (spots, genes)
        In the expression unit; NaN where the model states none.
    coverage : float64 (genes,)
        Share of spots whose measured value is inside; NaN where there is no interval.
    summary : dict
        `level`, `coverage` and mean `width` over all spots and genes, `n_values`.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    coverage: NDArray[np.float64]
    summary: dict[str, Any]


def coverage_sentence(interval: Mapping[str, float]) -> str:
    """Return one sentence on how many measured values lie in the interval of their prediction."""
    level, covered = interval["level"], interval["coverage"]
    if covered < level - _CLOSE:
        verdict = "fewer than promised: on this section, trust the intervals less"
    elif covered > level + _CLOSE:
        verdict = "more than promised: on this section, the intervals are wider than they need be"
    else:
        verdict = "as promised"
    return (
        f"{covered:.0%} of the measured values lie in the {level:.0%} interval for a measurement "
        f"as deep as their spot ({verdict}); it is {interval['width']:.2f} wide on average."
    )


def spot_intervals(
    prediction: Prediction,
    genes: pd.Index,
    predicted: NDArray[np.floating],
    measured: NDArray[np.floating],
    depth: NDArray[np.floating],
) -> SpotIntervals | None:
    """Return the intervals of the spots' measurements; None if the model states none.

    Parameters
    ----------
    genes
        Genes of the columns, all of them genes of the prediction.
    predicted, measured : (spots, genes)
        In the model's unit.
    depth : (spots,)
        Total count of each spot, over all genes.
    """
    if prediction.predictive is None:
        return None
    places = prediction.var.index.get_indexer(genes)
    predictive = prediction.predictive.of(places)
    found = predictive.measurement_interval(
        predicted, prediction.slide_level(places), depth, PROMISED
    )
    known = found.known
    if not known.any():
        return None
    inside = found.holds(measured, _SINGLE)
    n = known.sum(0)
    return SpotIntervals(
        found.low.astype(np.float32),
        found.high.astype(np.float32),
        np.where(n > 0, inside.sum(0) / np.maximum(n, 1), np.nan),
        {
            "level": PROMISED,
            "coverage": float(inside.sum() / known.sum()),
            "width": float(found.width.sum() / known.sum()),
            "n_values": int(known.sum()),
        },
    )
