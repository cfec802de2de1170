"""Finished evaluations and the leaderboard, read for a page."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from histospace_core.errors import StoreError

SCORES: Final = (
    "per_gene_pearson",
    "per_gene_pearson_hvg50",
    "mse_ratio_to_mean",
    "per_spot_pearson",
    "mean_profile_per_spot_pearson",
    "noise_ceiling",
)
LEADERBOARD: Final = ("network", "split", "per_gene_pearson")  # columns that it must have


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` left in a folder.

    Attributes
    ----------
    summary : dict
        `summary.json`.
    folds : DataFrame
        One row a held-out section and seed, with the columns `SCORES` and `share_of_ceiling`.
    genes : DataFrame
        Per gene and fold: `gene`, `test`, `pearson`, `mse_ratio_to_mean` and what else was scored.
    """

    summary: dict[str, Any]
    folds: pd.DataFrame
    genes: pd.DataFrame

    @property
    def leaks(self) -> list[str]:
        """In which ways the held-out sections were known in training."""
        return list(self.summary.get("protocol", {}).get("leaks", []))

    def overall(self) -> pd.Series:
        """Scores averaged over seeds, then a patient's sections, then patients."""
        columns = [*SCORES, "share_of_ceiling"]
        sections = self.folds.groupby(["patient", "test"])[columns].mean()
        return sections.groupby("patient").mean().mean()


def read_evaluation(folder: Path) -> Evaluation:
    """Read the result of an evaluation.

    Raises
    ------
    StoreError
        A file is missing or is not what `evaluate` writes.
    """
    try:
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        folds = pd.DataFrame(summary["folds"]).drop(columns="genes", errors="ignore")
        genes = pd.read_csv(folder / "genes.csv", dtype={"gene": str, "test": str})
        folds[list(SCORES)] = folds[list(SCORES)].astype(float)
        folds["share_of_ceiling"] = folds["per_gene_pearson"] / folds["noise_ceiling"]
        genes["pearson"] = genes["pearson"].astype(float)
        genes["test"] = genes["test"].astype(str)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "The result of this evaluation is missing or damaged: evaluate again."
        ) from error
    return Evaluation(summary, folds, genes)


def read_leaderboard(file: Path) -> pd.DataFrame | None:
    """Read the leaderboard, best first within each split; None where none was made yet.

    Raises
    ------
    StoreError
        The file is no leaderboard.
    """
    if not file.exists():
        return None
    try:
        table = pd.read_csv(file)
        return table.sort_values(
            ["split", "per_gene_pearson"], ascending=[True, False], ignore_index=True
        )[[*LEADERBOARD, *(c for c in table if c not in LEADERBOARD)]]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"'{file.name}' is no leaderboard: make it again with the benchmark's command."
        ) from error
