"""Comparison of a drawn region with the rest of the tissue: one map, then a test of all genes."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import stats

from histospace_core.characterise.expression import log_expression
from histospace_core.characterise.markers import SMALLEST_REGION, find_markers
from histospace_core.errors import RegionError

_INSIDE, _REST = "inside", "rest"


@dataclass(frozen=True)
class AgainstRest:
    """Genes tested between a region and the rest of the tissue.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per gene, largest least effect first: ``gene, mean_in, mean_out, difference, ci_low,
        ci_high, effect_size, least_effect, reliable, held_out_pearson, p_value, q_value,
        naive_p_value``. As `find_markers` returns them; `naive_p_value` is that of a t-test that
        treats tiles as independent.
    n_inside, n_outside : int
        Tiles with a prediction on either side.
    n_genes, n_tested : int
        Genes of the model, and those that were tested.
    """

    table: pd.DataFrame
    n_inside: int
    n_outside: int
    n_genes: int
    n_tested: int


def inside_and_outside(values: NDArray[np.floating], inside: NDArray[np.bool_]) -> pd.DataFrame:
    """Summarise one value per tile inside and outside a region.

    Parameters
    ----------
    values : (n,)
        NaN where a tile has no value; such tiles are left out.
    inside : bool, (n,)

    Returns
    -------
    DataFrame
        Rows "inside" and "outside"; columns tiles, mean, median, sd (n - 1).
    """
    finite = np.isfinite(values)
    groups = {"inside": values[finite & inside], "outside": values[finite & ~inside]}
    table = pd.DataFrame({name: _describe(group) for name, group in groups.items()}).T
    return table.astype({"tiles": int})


def _describe(group: NDArray[np.floating]) -> dict[str, float]:
    exact = group.astype(np.float64)
    return {
        "tiles": len(exact),
        "mean": exact.mean() if len(exact) else math.nan,
        "median": float(np.median(exact)) if len(exact) else math.nan,
        "sd": exact.std(ddof=1) if len(exact) > 1 else math.nan,
    }


def against_rest(
    table: AnnData, inside: NDArray[np.bool_], *, reliable_only: bool = True, seed: int = 0
) -> AgainstRest:
    """Test every gene between the tiles of a region and all others, by `find_markers`.

    The q-values are not valid for genes whose maps were used to draw the region.

    Parameters
    ----------
    table : AnnData
        Tiles x genes with ``obsm["spatial"]``, as `Prediction.to_anndata` returns it.
    inside : bool, (n,)
    reliable_only : bool
        Test only genes with ``var["reliable"]``, if the table has that column.
    seed : int

    Raises
    ------
    RegionError
        The region or the rest has too few tiles.
    MeasurementError
        No gene is reliable.
    """
    known = np.isfinite(log_expression(table)[0]).all(1)
    n_inside, n_outside = int((inside & known).sum()), int((~inside & known).sum())
    require_tiles(n_inside, n_outside)
    sides = np.where(inside, _INSIDE, _REST)
    found = find_markers(table, sides, versus=_REST, reliable_only=reliable_only, seed=seed)
    tested = found.table.drop(columns=["region", "n_tiles"])
    if "held_out_pearson" in table.var:
        held_out = table.var["held_out_pearson"].reindex(tested["gene"]).to_numpy(np.float64)
        tested.insert(tested.columns.get_loc("p_value"), "held_out_pearson", held_out)
    error = np.sqrt(1 / n_inside + 1 / n_outside)  # Student's t is Cohen's d divided by this
    t = np.abs(tested["effect_size"].to_numpy()) / error
    tested["naive_p_value"] = 2 * stats.t.sf(t, n_inside + n_outside - 2)
    return AgainstRest(tested, n_inside, n_outside, found.n_genes, found.n_tested)


def require_tiles(n_inside: int, n_outside: int) -> None:
    """Check that a region and the rest of the tissue are both large enough for statistics.

    Raises
    ------
    RegionError
        One of them has fewer than `SMALLEST_REGION` tiles.
    """
    if n_inside < SMALLEST_REGION:
        raise RegionError(
            f"This region contains {n_inside} predicted tiles, but statistics need at least "
            f"{SMALLEST_REGION}; draw a larger region."
        )
    if n_outside < SMALLEST_REGION:
        raise RegionError(
            f"This region leaves {n_outside} predicted tiles outside, but statistics need at "
            f"least {SMALLEST_REGION}; draw a smaller region."
        )
