"""Read finished evaluations and the leaderboard for display."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from histospace_core.errors import StoreError

LEADERBOARD: Final = ("network", "split", "per_gene_pearson")  # required columns

#: Score -> its name and the mean profile's value: a number, or the key of another score.
SCORES: Final[dict[str, tuple[str, float | str]]] = {
    "per_gene_pearson": ("per-gene r", 0.0),
    "per_gene_pearson_hvg50": ("per-gene r, 50 most variable genes (HVG50)", 0.0),
    "per_gene_pearson_svg50": ("per-gene r, 50 most spatially variable genes (SVG50)", 0.0),
    "per_gene_spearman": ("per-gene Spearman", 0.0),
    "per_gene_pearson_given_depth": ("per-gene r given the depth of the spots", 0.0),
    "mse_ratio_to_mean": ("error ratio (below 1 is better)", 1.0),
    "rmse": ("RMSE (lower is better)", "mean_profile_rmse"),
    "ssim_hvg50": ("SSIM of the maps, HVG50", "mean_profile_ssim_hvg50"),
    "ssim_svg50": ("SSIM of the maps, SVG50", "mean_profile_ssim_svg50"),
    "variance_ratio": ("variance, predicted / measured (1 is right)", 0.0),
    "per_spot_pearson": ("per-spot r (misleading on its own)", "mean_profile_per_spot_pearson"),
    "smoothed.per_gene_pearson": ("per-gene r against neighbour-smoothed measurements", 0.0),
    "smoothed.mse_ratio_to_mean": ("error ratio against neighbour-smoothed measurements", 1.0),
}


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes
    ----------
    summary : dict
        `summary.json`.
    folds : DataFrame
        One row per held-out section and seed.
    genes : DataFrame
        One row per gene, section and seed: `gene`, `test`, `pearson` and further scores.
    """

    summary: dict[str, Any]
    folds: pd.DataFrame
    genes: pd.DataFrame

    @property
    def leaks(self) -> list[str]:
        """How information about the held-out sections reached the training."""
        return list(self.summary.get("protocol", {}).get("leaks", []))

    def mean(self, score: str) -> float:
        """Return a score averaged over seeds, sections and patients; NaN where there is none."""
        value = self.summary["summary"]["scores"].get(score, {}).get("mean")
        return float("nan") if value is None else float(value)

    def baseline(self, score: str) -> float:
        """Return the mean profile's value of one of `SCORES`."""
        value = SCORES[score][1]
        return self.mean(value) if isinstance(value, str) else value

    @property
    def coverage(self) -> str:
        """Return the interval coverage of each held-out section as text; "" if it is unknown."""
        interval = self.summary.get("interval", {})
        reached = interval.get("measured_coverage", {})
        shares = ", ".join(f"{name} {share:.0%}" for name, share in reached.items())
        level = f"{interval.get('level', 0):.0%}"
        return (
            f"Coverage of {level} intervals learnt on other sections: {shares}." if shares else ""
        )

    def table(self) -> pd.DataFrame:
        """Return every score with its interval, beside the mean profile's."""
        scores = self.summary["summary"]["scores"]
        rows = [
            (name, *(scores[key].get(part) for part in ("mean", "low", "high")), self.baseline(key))
            for key, (name, _) in SCORES.items()
            if key in scores
        ]
        columns = ["score", "network", "low", "high", "mean_profile"]
        return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], float))

    def section_genes(self, section: str) -> pd.DataFrame:
        """Return the scores of the genes on one section, averaged over seeds, best first."""
        genes = self.genes[self.genes["test"] == section].drop(columns="seed", errors="ignore")
        means = genes.groupby("gene", as_index=False).mean(numeric_only=True)
        return means.sort_values("pearson", ascending=False, na_position="last", ignore_index=True)


def read_evaluation(folder: Path) -> Evaluation:
    """Read the result of an evaluation.

    Raises
    ------
    StoreError
        A file is missing or damaged.
    """
    try:
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        folds = pd.json_normalize(summary["folds"])
        # converters, because `dtype=str` would read a gene called "NA" as missing
        genes = pd.read_csv(folder / "genes.csv", converters={"gene": str, "test": str})
        genes["pearson"] = genes["pearson"].astype(float)
        genes[["gene", "test"]] = genes[["gene", "test"]].astype(str)
        evaluation = Evaluation(summary, folds.astype({"test": str}), genes)
        evaluation.table()  # damaged scores must fail here, not on the page
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise StoreError(
            "The result of this evaluation is missing or damaged: run the evaluation again."
        ) from error
    return evaluation


def read_leaderboard(file: Path) -> pd.DataFrame | None:
    """Read the leaderboard, best first within each split; return None if there is none.

    Raises
    ------
    StoreError
        The file is not a leaderboard.
    """
    if not file.exists():
        return None
    try:
        table = pd.read_csv(file, converters={"network": str, "split": str})
        table["per_gene_pearson"] = table["per_gene_pearson"].astype(float)
        order = ["split", "per_gene_pearson"]
        table = table.sort_values(order, ascending=[True, False], ignore_index=True)
        return table[[*LEADERBOARD, *(c for c in table if c not in LEADERBOARD)]]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"'{file.name}' is not a leaderboard: create it again with the benchmark command."
        ) from error
