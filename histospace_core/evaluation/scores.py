"""All scores of a held-out section, each with its baseline."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import CohortError
from histospace_core.evaluation.array_scores import finite_mean, score_arrays
from histospace_core.evaluation.held_out import GeneSets, HeldOut
from histospace_core.evaluation.metrics import (
    bootstrap_mean_pearson,
    mse_ratio_to_mean,
    per_gene_pearson,
    rmse,
    variance_ratio,
)
from histospace_core.evaluation.noise import share_of
from histospace_core.evaluation.spatial import map_ssim, smooth_over_neighbours

DEFINITIONS = {
    "per_gene_pearson": "over the spots of one section, mean over genes that vary there",
    "per_gene_pearson_ci": "95 % bootstrap over the section's spots; too narrow, because "
    "neighbouring spots are not independent",
    "genes": "genes with a symbol that are non-zero in more than half of the training spots",
    "hvg50": "the 50 of these genes with the largest variance in training",
    "svg50": "the 50 of these genes with the largest Moran's I in training (6 nearest spots), mean "
    "over the training sections",
    "per_gene_spearman": "as per_gene_pearson, on ranks",
    "mse_ratio_to_mean": "below 1 is better than the training-mean profile",
    "mse_ratio_to_levels": "the same against the mean level of the other patients whose counts are "
    "known, a baseline that is harder to beat",
    "rmse": "root of the mean squared error over all spots and genes, in the expression unit; "
    "compare mean_profile_rmse",
    "ssim": "structural similarity of the gene's map on the spot grid in windows of 7 x 7 spots, "
    "mean over the gene set; compare mean_profile_ssim",
    "variance_ratio": "variance over spots, predicted / measured, median over genes",
    "n_genes_beating_mean": "genes with a mean squared error below that of the training mean",
    "per_spot_pearson": "misleading alone: compare mean_profile_per_spot_pearson",
    "per_gene_pearson_given_depth": "as per_gene_pearson, the partial correlation given the "
    "log10 library size of the spot and its square; over genes with a noise ceiling",
    "noise_ceiling": "upper end of the highest per_gene_pearson_given_depth: binomial splitting to "
    "halves, Spearman-Brown, square root; mean over genes",
    "noise_ceiling_low": "lower end: negative binomial splitting with the gene's overdispersion "
    "between adjacent spots",
    "share_of_noise_ceiling": "per_gene_pearson_given_depth / noise_ceiling",
    "share_of_noise_ceiling_low": "per_gene_pearson_given_depth / noise_ceiling_low; 1 where "
    "the r is above that end, since the ceiling is at least what is reached",
    "smoothed": "against measurements averaged with the adjacent spots (the prediction is not "
    "smoothed): not comparable with raw scores",
}
"""Meaning of each key of a row; the protocol of a summary quotes it."""


def score_section(held: HeldOut, sets: GeneSets, *, unit: str = "log10_cp10k") -> dict[str, Any]:
    """Score one held-out section.

    Parameters
    ----------
    unit
        The expression unit of `held`, for the noise ceiling.

    Returns
    -------
    The row of the section in `summary.json`, ready for JSON. `DEFINITIONS` explains its keys; a
    score that does not exist is None. "genes" holds columns of per-gene scores.

    Raises
    ------
    CohortError
        No gene varies over the section's spots.
    """
    scores = score_arrays(held.measured, held.predicted, held.mean_profile)
    varies = scores.evaluable
    if not varies.any():
        raise CohortError(
            f"No gene of the panel varies over the spots of section '{held.section}', so it cannot "
            "be scored; check that its counts use the gene names of the training sections."
        )
    x, y, mean = held.measured[:, varies], held.predicted[:, varies], held.mean_profile[varies]
    flat = np.broadcast_to(mean, x.shape)
    r, rho = (scores.genes[name].to_numpy() for name in ("pearson", "spearman"))
    given_depth, lower, upper = _given_depth(held, varies, unit)
    low, high = bootstrap_mean_pearson(x, y)
    row: dict[str, Any] = {
        "test": held.section,
        "patient": held.patient,
        "n_spots": len(held.measured),
        "n_genes": int(varies.sum()),
        "per_gene_pearson": scores.overall["per_gene_pearson"],
        "per_gene_pearson_ci": [low, high],
        "per_gene_pearson_hvg50": finite_mean(r[sets.hvg50]),
        "per_gene_pearson_svg50": finite_mean(r[sets.svg50]),
        "per_gene_spearman": finite_mean(rho),
        "mse_ratio_to_mean": scores.overall["mse_ratio_to_mean"],
        "mse_ratio_to_levels": _to_levels(held, varies),
        "rmse": rmse(x, y),
        "mean_profile_rmse": rmse(x, flat),
        **_ssim(held, sets),
        # the median, since the ratio of a gene that barely varies is huge
        "variance_ratio": float(np.median(variance_ratio(x, y))),
        "n_genes_beating_mean": int(scores.beats_mean.sum()),
        "per_spot_pearson": scores.overall["per_spot_pearson"],
        "mean_profile_per_spot_pearson": scores.overall["mean_profile_per_spot_pearson"],
        **_ceiling(given_depth, lower, upper),
        "smoothed": _smoothed(held, sets, varies),
    }
    columns = {
        "pearson": r,
        "spearman": rho,
        "mse_ratio_to_mean": scores.genes["mse_ratio_to_mean"].to_numpy(),
        "pearson_given_depth": given_depth,
        "noise_ceiling": upper,
        "noise_ceiling_low": lower,
    }
    row["genes"] = {
        "gene": list(held.genes),
        **{name: _rounded(values) for name, values in columns.items()},
    }
    return row


def _to_levels(held: HeldOut, varies: NDArray[np.bool_]) -> float | None:
    if held.levels_profile is None:
        return None
    x, y = held.measured[:, varies], held.predicted[:, varies]
    return mse_ratio_to_mean(x, y, held.levels_profile[varies])


def _ssim(held: HeldOut, sets: GeneSets) -> dict[str, float | None]:
    """Return the SSIM over both gene sets, of the prediction and of the mean profile."""
    both = np.union1d(sets.hvg50, sets.svg50)  # SSIM is slow, and the sets share genes
    x = held.measured[:, both]
    flat = np.broadcast_to(held.mean_profile[both], x.shape)
    scores = {}
    for prefix, y in {"": held.predicted[:, both], "mean_profile_": flat}.items():
        ssim = map_ssim(x, y, held.centres)
        for name, genes in {"hvg50": sets.hvg50, "svg50": sets.svg50}.items():
            scores[f"{prefix}ssim_{name}"] = finite_mean(ssim[np.isin(both, genes)])
    return scores


def _smoothed(held: HeldOut, sets: GeneSets, varies: NDArray[np.bool_]) -> dict[str, Any]:
    x = smooth_over_neighbours(held.measured, held.centres)
    y, mean = held.predicted, held.mean_profile
    # rounding would let a constant gene vary after smoothing
    r = np.where(varies, per_gene_pearson(x, y), np.nan)
    return {
        "per_gene_pearson": finite_mean(r),
        "per_gene_pearson_hvg50": finite_mean(r[sets.hvg50]),
        "per_gene_pearson_svg50": finite_mean(r[sets.svg50]),
        "mse_ratio_to_mean": mse_ratio_to_mean(x[:, varies], y[:, varies], mean[varies]),
    }


def _given_depth(
    held: HeldOut, varies: NDArray[np.bool_], unit: str
) -> tuple[NDArray[np.float64], ...]:
    """Return r given the depth and both ends of its ceiling, over the genes that have them."""
    ceiling, r = held.noise_ceiling(unit), held.pearson_given_depth()
    both = varies & np.isfinite(ceiling.high) & np.isfinite(r)
    return tuple(np.where(both, v, np.nan) for v in (r, ceiling.low, ceiling.high))


def _ceiling(*columns: NDArray[np.float64]) -> dict[str, float | None]:
    means = [finite_mean(column) for column in columns]
    # a ratio of means, because the ceiling of a single gene can be 0
    shares = share_of(*(np.nan if mean is None else mean for mean in means))
    keys = ("per_gene_pearson_given_depth", "noise_ceiling_low", "noise_ceiling")
    return {
        **dict(zip(keys, means, strict=True)),
        "share_of_noise_ceiling": _known(shares[0]),
        "share_of_noise_ceiling_low": _known(shares[1]),
    }


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    return [round(float(v), 5) if np.isfinite(v) else None for v in values]
