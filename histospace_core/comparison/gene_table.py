"""The table of genes of a comparison, `genes.csv`."""

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.comparison.given_depth import COLUMNS as GIVEN_DEPTH
from histospace_core.comparison.interval import COVERAGE
from histospace_core.evaluation.array_scores import ArrayScores

COLUMNS = (
    "gene",
    "n_spots",
    "pearson",
    "spearman",
    "rmse",
    "mse_ratio_to_mean",
    "p_value",
    "q_value",
    "held_out_pearson",
    "note",
)
AT_SPOTS = {"pearson": "pearson_at_spots", "mse_ratio_to_mean": "mse_ratio_at_spots"}
"""Further columns, at the end, for the prediction at the spots: its score and the column's name."""
CONSTANT = "not evaluable: constant in the measurement"
NOT_MEASURED = "not evaluable: not measured"


def gene_table(
    spots: anndata.AnnData,
    scores: ArrayScores,
    panel: pd.DataFrame,
    at_spots: ArrayScores | None = None,
    coverage: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Return one row per gene: the genes of `spots` with scores, then the others of the panel.

    Parameters
    ----------
    spots
        Matched spots, with `held_out_pearson` and the columns `GIVEN_DEPTH` in `var`; the latter
        become the next columns.
    scores
        Scores of the genes of `spots`, with p-values.
    panel
        `Prediction.var`.
    at_spots
        Scores of the prediction at the spots, which become the columns `AT_SPOTS`.
    coverage : (genes of `spots`,)
        Share of measured values in their interval, which becomes the last column.
    """
    scored = scores.genes.assign(
        gene=spots.var_names,
        n_spots=spots.n_obs,
        held_out_pearson=spots.var["held_out_pearson"].to_numpy(),
        note=np.where(scores.evaluable, "", CONSTANT),
    )[list(COLUMNS)]
    scored[list(GIVEN_DEPTH)] = spots.var[list(GIVEN_DEPTH)].to_numpy()
    if at_spots is not None:
        scored[list(AT_SPOTS.values())] = at_spots.genes[list(AT_SPOTS)].to_numpy()
    if coverage is not None:
        scored[COVERAGE] = coverage
    absent = panel.index.difference(spots.var_names, sort=False)
    if absent.empty:
        return scored
    rest = pd.DataFrame(
        {
            "gene": absent,
            "n_spots": 0,
            "held_out_pearson": panel.loc[absent, "held_out_pearson"].to_numpy(),
            "note": NOT_MEASURED,
        }
    )
    # pandas warns if concat has to reconcile columns of NaN
    rest = rest.reindex(columns=scored.columns).astype(scored.dtypes)
    return pd.concat([scored, rest], ignore_index=True)
