"""The noise ceiling of the matched spots, and the correlation that it limits."""

import anndata
import numpy as np

from histospace_core.evaluation.array_scores import finite_mean
from histospace_core.evaluation.noise import noise_ceiling, pearson_given_depth

COLUMNS = ("pearson_given_depth", "noise_ceiling", "noise_ceiling_low")
"""Columns of `genes.csv` and of `spots.var`; comparisons of older versions lack some or all."""


def add_given_depth(spots: anndata.AnnData, counts: anndata.AnnData, unit: str) -> None:
    """Write `COLUMNS` into `spots.var`, of the map's value; NaN for a gene without a ceiling.

    Parameters
    ----------
    spots
        Matched spots, with layers "measured" and "predicted".
    counts
        Raw counts of the same spots and genes, with `obs["total_counts"]`.
    """
    library = counts.obs["total_counts"].to_numpy(np.float64)
    ceiling = noise_ceiling(counts.X, library, spots.obsm["spatial"], how=unit)
    r = pearson_given_depth(spots.layers["measured"], spots.layers["predicted"], library)
    for column, values in zip(COLUMNS, (r, ceiling.high, ceiling.low), strict=True):
        spots.var[column] = np.where(np.isfinite(ceiling.high), values, np.nan)


def given_depth(spots: anndata.AnnData, layer: str) -> dict[str, float | None]:
    """Return the mean r given the depth of one prediction, and both ends of its ceiling."""
    library = spots.obs["total_counts"].to_numpy(np.float64)
    r = pearson_given_depth(spots.layers["measured"], spots.layers[layer], library)
    ends = {key: spots.var[key].to_numpy(np.float64) for key in COLUMNS[1:]}
    known = np.isfinite(r) & np.isfinite(ends["noise_ceiling"])
    return {
        "per_gene_pearson_given_depth": finite_mean(r[known]),
        **{key: finite_mean(values[known]) for key, values in ends.items()},
    }
