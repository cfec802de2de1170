"""A region that a reader has drawn, against the rest of the tissue."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats


def selection_statistics(
    values: NDArray[np.float32], inside: NDArray[np.bool_]
) -> tuple[pd.DataFrame, float]:
    """Describe one value per tile inside and outside a selection.

    Parameters
    ----------
    values : (n,)
        NaN where a tile has no value; such tiles are left out.
    inside : (n,)
        The selected tiles.

    Returns
    -------
    table : DataFrame
        Rows "selected" and "outside"; columns n, mean, median, sd (n - 1).
    p_value : float
        Mann-Whitney U, two-sided; NaN where a group is empty. Descriptive only: neighbouring
        tiles are not independent, and the region was drawn after the map was seen, so it is
        smaller than a test of a hypothesis would give.
    """
    finite = np.isfinite(values)
    groups = {"selected": values[finite & inside], "outside": values[finite & ~inside]}
    table = pd.DataFrame({name: _describe(group) for name, group in groups.items()}).T
    table["n"] = table["n"].astype(int)
    if min(len(group) for group in groups.values()) == 0:
        return table, math.nan
    return table, float(stats.mannwhitneyu(*groups.values()).pvalue)


def _describe(group: NDArray[np.float32]) -> dict[str, float]:
    exact = group.astype(np.float64)
    return {
        "n": len(exact),
        "mean": exact.mean() if len(exact) else math.nan,
        "median": float(np.median(exact)) if len(exact) else math.nan,
        "sd": exact.std(ddof=1) if len(exact) > 1 else math.nan,
    }
