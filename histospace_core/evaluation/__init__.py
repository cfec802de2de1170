"""Honest scores: metrics, their baseline, noise ceiling and significance."""

from histospace_core.evaluation.metrics import (
    Interval,
    bootstrap_pearson,
    mse_ratio_per_gene,
    mse_ratio_to_mean,
    per_gene_pearson,
    per_spot_pearson,
)
from histospace_core.evaluation.noise import noise_ceiling
from histospace_core.evaluation.significance import q_values, spatial_p_values

__all__ = [
    "Interval",
    "bootstrap_pearson",
    "mse_ratio_per_gene",
    "mse_ratio_to_mean",
    "noise_ceiling",
    "per_gene_pearson",
    "per_spot_pearson",
    "q_values",
    "spatial_p_values",
]
