"""Scores of predicted against measured arrays, with their baseline and significance.

This package takes arrays and returns numbers; it neither reads nor writes files.
"""

from histospace_core.evaluation.held_out import (
    GeneSets,
    HeldOut,
    gene_sets,
)
from histospace_core.evaluation.metrics import (
    Interval,
    bootstrap_mean_pearson,
    bootstrap_pearson,
    mse_ratio_per_gene,
    mse_ratio_to_mean,
    per_gene_pearson,
    per_gene_spearman,
    per_spot_pearson,
    rmse,
    variance_ratio,
)
from histospace_core.evaluation.noise import CeilingBracket, noise_ceiling, pearson_given_depth
from histospace_core.evaluation.paired import Paired, compare_methods
from histospace_core.evaluation.scores import DEFINITIONS, score_section
from histospace_core.evaluation.significance import q_values, spatial_p_values
from histospace_core.evaluation.spatial import map_ssim, morans_i, smooth_over_neighbours
from histospace_core.evaluation.summary import summarise

__all__ = [
    "DEFINITIONS",
    "CeilingBracket",
    "GeneSets",
    "HeldOut",
    "Interval",
    "Paired",
    "bootstrap_mean_pearson",
    "bootstrap_pearson",
    "compare_methods",
    "gene_sets",
    "map_ssim",
    "morans_i",
    "mse_ratio_per_gene",
    "mse_ratio_to_mean",
    "noise_ceiling",
    "pearson_given_depth",
    "per_gene_pearson",
    "per_gene_spearman",
    "per_spot_pearson",
    "q_values",
    "rmse",
    "score_section",
    "smooth_over_neighbours",
    "spatial_p_values",
    "summarise",
    "variance_ratio",
]
