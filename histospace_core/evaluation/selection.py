"""A region that a reader has drawn, and the rest of the tissue."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def selection_statistics(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> pd.DataFrame:
    """Describe one value per tile inside and outside a selection.

    Parameters
    ----------
    values : (n,)
        NaN where a tile has no value; such tiles are left out.
    inside : (n,)
        The selected tiles.

    Returns
    -------
    DataFrame
        Rows "inside" and "outside"; columns tiles, mean, median, sd (n - 1).
    """
    finite = np.isfinite(values)
    groups = {"inside": values[finite & inside], "outside": values[finite & ~inside]}
    table = pd.DataFrame({name: _describe(group) for name, group in groups.items()}).T
    return table.astype({"tiles": int})


def _describe(group: NDArray[np.float32]) -> dict[str, float]:
    exact = group.astype(np.float64)
    return {
        "tiles": len(exact),
        "mean": exact.mean() if len(exact) else math.nan,
        "median": float(np.median(exact)) if len(exact) else math.nan,
        "sd": exact.std(ddof=1) if len(exact) > 1 else math.nan,
    }
