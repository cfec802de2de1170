"""Prediction intervals from held-out residuals, and their measured coverage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import CohortError
from histospace_core.evaluation.held_out import HeldOut
from histospace_core.evaluation.metrics import Matrix

Group = Literal["patient", "section"]
_CHUNK = 256  # genes sorted at a time


@dataclass(frozen=True, eq=False)
class Intervals:
    """Prediction intervals of prediction +- `half_width`.

    Attributes
    ----------
    genes, half_width : (genes,)
        In the expression unit; NaN for a gene that no group measured, or too few groups to
        guarantee the coverage.
    level
        Nominal coverage.
    n_groups
        Number of patients or sections that the residuals come from.
    promise
        One sentence: what the intervals guarantee, or why they guarantee nothing.
    """

    genes: tuple[str, ...]
    half_width: NDArray[np.float64]
    level: float
    group: Group
    n_groups: int
    promise: str

    def of(self, genes: Sequence[str]) -> NDArray[np.float64]:
        """Return the half-widths of these genes, NaN for genes without one."""
        known = dict(zip(self.genes, self.half_width, strict=True))
        return np.array([known.get(g, np.nan) for g in genes])


def fit_intervals(
    held: Sequence[HeldOut], level: float = 0.9, group: Group = "patient"
) -> Intervals:
    """Fit per-gene intervals to out-of-fold residuals by hierarchical conformal prediction.

    A new slide comes from a new patient (or section), so groups are exchangeable and spots are
    not. Each group therefore has the same total weight. The half-width is the weighted quantile of
    the absolute residuals, with the weight of one more group, the new one, at infinity (Lee, Barber
    & Willett 2023, arXiv 2306.06342; pooling as in Dunn, Wasserman & Ramdas 2022, JASA, doi
    10.1080/01621459.2022.2060112). Residuals of cross-validation replace a calibration set, as in
    CV+ (Barber et al. 2021, Ann. Statist. 49:486). With fewer than level / (1 - level) groups that
    quantile is infinite. The weight at infinity is then omitted, no coverage is guaranteed, and
    `measured_coverage` gives the coverage that was reached. Predictions of one section with
    several seeds are pooled as if they were more spots.

    Parameters
    ----------
    held
        Out-of-fold predictions. Panels may differ between folds; genes are matched by name.
    level
        Nominal coverage, in (0, 1).

    Raises
    ------
    CohortError
        No predictions, or a level outside (0, 1).
    """
    if not held:
        raise CohortError("There is no held-out prediction to fit intervals to; evaluate first.")
    if not 0 < level < 1:
        raise CohortError(f"The level of an interval lies between 0 and 1, not at {level}.")
    genes = tuple(dict.fromkeys(g for h in held for g in h.genes))
    groups = [getattr(h, group) for h in held]
    names = list(dict.fromkeys(groups))
    owner = np.repeat([names.index(g) for g in groups], [len(h.measured) for h in held])
    # 0.9 / (1 - 0.9) is 9.000000000000002 in floating point, but 9 groups suffice
    n_needed = math.ceil(level / (1 - level) - 1e-9)
    enough = len(names) >= n_needed
    residuals = _residuals(held, genes)
    half_width = np.concatenate(
        [
            _balanced_quantile(residuals[:, i : i + _CHUNK], owner, len(names), level, enough)
            for i in range(0, len(genes), _CHUNK)
        ]
    )
    return Intervals(
        genes, half_width, level, group, len(names), _promise(level, group, len(names), n_needed)
    )


def coverage(intervals: Intervals, held: Sequence[HeldOut]) -> dict[str, float]:
    """Return the share of measured values (spots x genes) inside their interval, by section."""
    hits: dict[str, list[float]] = {}
    for h in held:
        width = intervals.of(h.genes)
        # a gene that was not counted is stored as 0, which is no measurement
        scored = h.counted & np.isfinite(width)
        inside = np.abs(h.measured - h.predicted)[:, scored] <= width[scored]
        hits.setdefault(h.section, []).append(float(inside.mean()) if scored.any() else math.nan)
    return {section: float(np.mean(shares)) for section, shares in hits.items()}


def measured_coverage(
    held: Sequence[HeldOut], level: float = 0.9, group: Group = "patient"
) -> dict[str, float]:
    """Measure the coverage of each section by intervals fitted without its group.

    Raises
    ------
    CohortError
        There is only one group.
    """
    names = list(dict.fromkeys(getattr(h, group) for h in held))
    if len(names) < 2:
        raise CohortError(
            f"Coverage is measured on a {group} left out, and there is only one; hold out "
            "more of them."
        )
    found: dict[str, float] = {}
    for name in names:
        rest = [h for h in held if getattr(h, group) != name]
        own = [h for h in held if getattr(h, group) == name]
        found |= coverage(fit_intervals(rest, level, group), own)
    return found


def interval_report(
    held: Sequence[HeldOut], level: float = 0.9, group: Group = "section"
) -> dict[str, Any]:
    """Describe intervals fitted to these predictions: level, guarantee and measured coverage.

    Returns
    -------
    {"level", "group", "promise", "measured_coverage": {section: share}}; without the last if
    there is only one group.
    """
    if len({getattr(h, group) for h in held}) < 2:
        return {
            "level": level,
            "group": group,
            "promise": f"One {group} was held out, so the coverage of an interval is unknown.",
        }
    reached = measured_coverage(held, level, group)
    return {
        "level": level,
        "group": group,
        "promise": fit_intervals(held, level, group).promise,
        "measured_coverage": {name: round(share, 3) for name, share in reached.items()},
    }


def _residuals(held: Sequence[HeldOut], genes: tuple[str, ...]) -> NDArray[np.float32]:
    """Return absolute residuals (all spots, genes), NaN for genes not predicted or not counted."""
    place = {g: i for i, g in enumerate(genes)}
    rows = []
    for h in held:
        row = np.full((len(h.measured), len(genes)), np.nan, np.float32)
        columns = np.array([place[g] for g in h.genes])[h.counted]
        row[:, columns] = np.abs(h.measured - h.predicted)[:, h.counted]
        rows.append(row)
    return np.concatenate(rows)


def _balanced_quantile(
    residuals: Matrix, owner: NDArray[np.integer], n_groups: int, level: float, guarantee: bool
) -> NDArray[np.float64]:
    """Return the quantile of each gene's residuals, every group having the same weight.

    With `guarantee`, one more group lies at infinity. A gene is NaN if no group measured it, or
    too few for a finite quantile.
    """
    valid = np.isfinite(residuals)
    member = owner == np.arange(n_groups)[:, None]
    # spots with the gene, by group: panels differ between folds
    size = member.astype(np.float64) @ valid
    known = (size > 0).sum(0)
    weight = valid / np.maximum(size, 1)[owner]
    order = np.argsort(np.where(valid, residuals, np.inf), axis=0, kind="stable")
    total = np.cumsum(np.take_along_axis(weight, order, 0), axis=0)
    # each group weighs 1, and so does the new one, whose residual is infinite
    needed = level * (known + 1 if guarantee else known)
    reached = total >= needed - 1e-9  # tolerance for the rounding of the cumulative sum
    at = np.take_along_axis(order, reached.argmax(0)[None], 0)[0]
    quantile = residuals[at, np.arange(residuals.shape[1])].astype(np.float64)
    return np.where(reached.any(0) & (known > 0), quantile, np.nan)


def _promise(level: float, group: Group, n: int, n_needed: int) -> str:
    if n >= n_needed:
        return (
            f"At least {level:.0%} of the values of a new {group} are covered on average, if it "
            f"comes from the same population as the {n} {group}s of the calibration."
        )
    return (
        f"Too few {group}s to promise {level:.0%} for a new one ({n}, and {n_needed} are needed): "
        "use the coverage measured on held-out sections instead."
    )
