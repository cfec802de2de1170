"""Score predicted against measured expression over the spots of one section."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.evaluation.metrics import (
    Matrix,
    mse_ratio_per_gene,
    mse_ratio_to_mean,
    per_gene_pearson,
    per_gene_spearman,
    per_spot_pearson,
)
from histospace_core.evaluation.significance import q_values, spatial_p_values


@dataclass(frozen=True, eq=False)
class ArrayScores:
    """Scores of a prediction. The NaN policy is that of `evaluation.metrics`.

    Attributes
    ----------
    genes : DataFrame
        One row per gene, in the order of the arrays: `pearson`, `spearman`, `rmse` (in the unit of
        the expression), `mse_ratio_to_mean`, and `p_value` and `q_value` if positions were
        given. All are NaN for a gene that is constant in the measurement.
    overall : dict
        Over the evaluable genes: `per_gene_pearson` (mean), `mse_ratio_to_mean`,
        `per_spot_pearson` and `mean_profile_per_spot_pearson` (means over spots); None if no
        gene is evaluable.
    """

    genes: pd.DataFrame
    overall: dict[str, float | None]

    @property
    def evaluable(self) -> NDArray[np.bool_]:
        """Genes (genes,) that vary in the measurement."""
        return self.genes["pearson"].notna().to_numpy()

    @property
    def beats_mean(self) -> NDArray[np.bool_]:
        """Genes (genes,) whose squared error is smaller than that of the mean profile."""
        return (self.genes["mse_ratio_to_mean"] < 1).to_numpy()


def score_arrays(
    measured: Matrix,
    predicted: Matrix,
    mean_profile: Matrix,
    *,
    positions: NDArray[np.floating] | None = None,
) -> ArrayScores:
    """Score a prediction gene by gene and over all genes, compared with the mean profile.

    Parameters
    ----------
    measured, predicted : (spots, genes)
        Expression in one unit.
    mean_profile : (genes,)
        Mean of the training spots: the baseline that uses no image.
    positions : (spots, 2), optional
        Adds p-values, corrected for spatial autocorrelation, and q-values over the genes.
    """
    genes = pd.DataFrame(
        {
            "pearson": per_gene_pearson(measured, predicted),
            "spearman": per_gene_spearman(measured, predicted),
            "rmse": np.sqrt(((measured - predicted) ** 2).mean(0)),
            "mse_ratio_to_mean": mse_ratio_per_gene(measured, predicted, mean_profile),
        }
    )
    evaluable = genes["pearson"].notna().to_numpy()
    # a constant gene has an error too, but is not evaluable in any score
    genes.loc[~evaluable] = np.nan
    if positions is not None:
        p = spatial_p_values(measured, predicted, positions)
        genes["p_value"], genes["q_value"] = p, q_values(p)
    x, y, mean = measured[:, evaluable], predicted[:, evaluable], mean_profile[evaluable]
    flat = np.broadcast_to(mean, x.shape)
    overall = {
        "per_gene_pearson": finite_mean(genes["pearson"].to_numpy()),
        "mse_ratio_to_mean": mse_ratio_to_mean(x, y, mean) if evaluable.any() else None,
        "per_spot_pearson": finite_mean(per_spot_pearson(x, y)) if evaluable.any() else None,
        "mean_profile_per_spot_pearson": (
            finite_mean(per_spot_pearson(x, flat)) if evaluable.any() else None
        ),
    }
    return ArrayScores(genes, overall)


def finite_mean(values: NDArray[np.floating]) -> float | None:
    """Return the mean of the finite values, or None if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
