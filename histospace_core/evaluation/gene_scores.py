"""Scores of a comparison: of each gene, and over all genes, each beside the mean profile's."""

from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import stats

from histospace_core.evaluation.metrics import (
    mse_ratio_per_gene,
    mse_ratio_to_mean,
    per_gene_pearson,
    per_spot_pearson,
)
from histospace_core.evaluation.significance import q_values, spatial_p_values

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
CONSTANT = "not evaluable: constant in the measurement"
NOT_MEASURED = "not evaluable: not measured"


def score_genes(spots: anndata.AnnData, panel: pd.DataFrame) -> pd.DataFrame:
    """Per-gene scores over the spots of `spots`, then the panel genes that cannot be scored.

    Parameters
    ----------
    spots
        Layers "measured" and "predicted"; `var["training_mean"]`.
    panel
        `Prediction.var`.
    """
    x, y = spots.layers["measured"], spots.layers["predicted"]
    mean = spots.var["training_mean"].to_numpy(np.float32)
    r = per_gene_pearson(x, y)
    p = spatial_p_values(x, y, spots.obsm["spatial"])
    constant = np.isnan(r)
    rank = [stats.rankdata(m, axis=0).astype(np.float32) for m in (x, y)]
    scored = pd.DataFrame(
        {
            "gene": spots.var_names,
            "n_spots": spots.n_obs,
            "pearson": r,
            "spearman": per_gene_pearson(rank[0], rank[1]),
            "rmse": np.sqrt(((x - y) ** 2).mean(0)),
            "mse_ratio_to_mean": mse_ratio_per_gene(x, y, mean),
            "p_value": p,
            "q_value": q_values(p),
            "held_out_pearson": spots.var["held_out_pearson"].to_numpy(),
            "note": np.where(constant, CONSTANT, ""),
        }
    )
    scored.loc[constant, ["pearson", "spearman", "rmse", "mse_ratio_to_mean"]] = np.nan
    absent = panel.index.difference(spots.var_names, sort=False)
    rest = pd.DataFrame(
        {
            "gene": absent,
            "n_spots": 0,
            "held_out_pearson": panel.loc[absent, "held_out_pearson"].to_numpy(),
            "note": NOT_MEASURED,
        }
    )
    if len(rest):
        scored = pd.concat([scored, rest.reindex(columns=scored.columns).astype(scored.dtypes)])
    return scored[list(COLUMNS)].reset_index(drop=True)


def score_all(spots: anndata.AnnData) -> dict[str, Any]:
    """Scores over the genes that vary, as `summary.json` has them.

    Parameters
    ----------
    spots
        As for `score_genes`, with `var["noise_ceiling"]`.
    """
    x, y = spots.layers["measured"], spots.layers["predicted"]
    mean = spots.var["training_mean"].to_numpy(np.float32)
    r = per_gene_pearson(x, y)
    varies = np.isfinite(r)
    ceiling = spots.var["noise_ceiling"].to_numpy(np.float64)[varies]
    known = np.isfinite(ceiling)
    x, y, mean = x[:, varies], y[:, varies], mean[varies]
    flat = np.broadcast_to(mean, x.shape)
    return {
        "n_genes_scored": int(varies.sum()),
        "per_gene_pearson": float(r[varies].mean()) if varies.any() else None,
        "mean_profile_per_gene_pearson": 0.0,
        "noise_ceiling": float(ceiling[known].mean()) if known.any() else None,
        "mse_ratio_to_mean": mse_ratio_to_mean(x, y, mean),
        "per_spot_pearson": float(np.nanmean(per_spot_pearson(x, y))),
        "mean_profile_per_spot_pearson": float(np.nanmean(per_spot_pearson(x, flat))),
        "share_of_genes_beating_mean": float((mse_ratio_per_gene(x, y, mean) < 1).mean()),
    }
