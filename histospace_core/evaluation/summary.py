"""Average scores over seeds, sections and patients, with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.errors import CohortError

_FEW = 6
_NOT_SCORES = {"seed", "genes", "per_gene_pearson_ci"}


def summarise(
    rows: Sequence[Mapping[str, Any]], *, n_resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Average rows of `score_section` over seeds, then over a patient's sections, then patients.

    A patient with more sections thus has no more weight. The interval is the 95 % percentile
    bootstrap over patients; over sections if there is one patient; over spots (for the
    correlation only) if there is one section. `resampled` and `note` state which.

    Parameters
    ----------
    rows
        Every number in them is averaged, nested ones under a dotted key; a row may have `seed`.

    Returns
    -------
    {"n_patients", "n_sections", "n_seeds", "resampled": "patients" | "sections" | "spots",
    "note", "scores": {key: {"mean", "low", "high"}}, "patients": {patient: {key: mean}},
    "sections": {section: {key: mean}}}; a value that does not exist is None.
    """
    if not rows:
        raise CohortError("There is no scored section to summarise; evaluate at least one fold.")
    frame = pd.json_normalize([{k: v for k, v in r.items() if k != "genes"} for r in rows])
    keys = [k for k in frame if k not in _NOT_SCORES and _is_number(frame[k])]
    scores = frame[keys].astype(np.float64)
    sections = scores.groupby([frame["patient"], frame["test"]]).mean()
    patients = sections.groupby("patient").mean()
    resampled = "patients" if len(patients) > 1 else "sections" if len(sections) > 1 else "spots"
    units = patients if resampled == "patients" else sections
    low, high = _bootstrap(units.to_numpy(), n_resamples, seed)
    table = {
        key: {"mean": _none(mean), "low": _none(a), "high": _none(b)}
        for key, mean, a, b in zip(keys, patients.mean(), low, high, strict=True)
    }
    if resampled == "spots":
        ends = np.mean(frame["per_gene_pearson_ci"].tolist(), axis=0)
        table["per_gene_pearson"].update(low=float(ends[0]), high=float(ends[1]))
    return {
        "n_patients": len(patients),
        "n_sections": len(sections),
        "n_seeds": int(frame["seed"].nunique()) if "seed" in frame else 1,
        "resampled": resampled,
        "note": _note(resampled, len(units)),
        "scores": table,
        "patients": _jsonable(patients),
        "sections": _jsonable(sections.droplevel("patient")),
    }


def _bootstrap(
    table: NDArray[np.float64], n_resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of the interval of the mean over rows, (columns,); NaN for one row."""
    n = len(table)
    if n < 2:
        return np.full(table.shape[1], np.nan), np.full(table.shape[1], np.nan)
    drawn = np.random.default_rng(seed).integers(0, n, (n_resamples, n))
    low, high = np.quantile(table[drawn].mean(1), [0.025, 0.975], axis=0)
    return low, high


def _note(resampled: str, n: int) -> str:
    if resampled == "spots":
        return (
            "One section was held out: the interval is over its spots, ignores the variation "
            "between sections and patients, and is too narrow."
        )
    few = " With so few, it is rough." if n < _FEW else ""
    if resampled == "sections":
        return (
            f"One patient was held out: the interval is over its {n} sections and ignores the "
            f"variation between patients.{few}"
        )
    return f"The interval is over {n} patients.{few}"


def _is_number(column: pd.Series) -> bool:
    known = column.dropna()
    # a flag is not a score, although bool is a subclass of int
    return all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in known)


def _none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None  # JSON has no NaN


def _jsonable(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    return {str(name): {str(k): _none(v) for k, v in row.items()} for name, row in table.iterrows()}
