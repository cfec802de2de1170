"""Score a network on sections it never saw, every score beside the mean profile's."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from histospace_core import __version__
from histospace_core.errors import CohortError
from histospace_core.evaluation import (
    mse_ratio_per_gene,
    mse_ratio_to_mean,
    noise_ceiling,
    per_gene_pearson,
    per_spot_pearson,
)
from histospace_core.inference.store import write_json
from histospace_core.networks import TILE_PX, UM_PER_PX, n_parameters, pick_device
from histospace_core.training.cohort import SectionData, load_sections, read_cohort
from histospace_core.training.fit import Trained, fit_histospace, predict_tiles
from histospace_core.training.folds import Fold, make_folds
from histospace_core.training.recipe import MENDED, Progress, Recipe, no_progress

EVALUATED = ("histospace", "mean-profile")
_NOTES = {
    "per_gene_pearson": "over the spots of one section, mean over genes that vary there",
    "genes": "non-zero in more than half of the training spots, named",
    "hvg50": "the 50 genes of them with the largest variance in training",
    "mse_ratio_to_mean": "below 1 beats the training-mean profile",
    "per_spot_pearson": "misleading alone: compare mean_profile_per_spot_pearson",
    "noise_ceiling": "binomial thinning to halves, Spearman-Brown, square root; mean over genes",
}


@dataclass(frozen=True)
class HeldOut:
    """One held-out section: measured and predicted expression of the panel, and the baseline."""

    section: str
    patient: str
    genes: tuple[str, ...]
    measured: NDArray[np.float32]
    predicted: NDArray[np.float32]
    mean_profile: NDArray[np.float32]


def evaluate_cohort(
    table: Path,
    out: Path,
    *,
    network: str = "histospace",
    recipe: Recipe = MENDED,
    folds: str = "patient",
    train: Sequence[str] = (),
    test: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    on_progress: Progress = no_progress,
) -> dict[str, Any]:
    """Cross-validate and write `summary.json`, `genes.csv` and one JSON a fold into `out`.

    A fold that was finished with the same settings is not computed again.

    Returns
    -------
    The content of `summary.json` (design, section 4).
    """
    if network not in EVALUATED:
        raise CohortError(f"Unknown network '{network}'; choose one of {', '.join(EVALUATED)}.")
    sections = read_cohort(table)
    plan = make_folds(sections, folds, train=train, test=test)
    used = {name for fold in plan for name in (*fold.train, *fold.test)}
    data = load_sections(
        [s for s in sections if s.name in used],
        tile_px=TILE_PX,
        um_per_px=UM_PER_PX,
        stain=recipe.stain,
    )
    protocol = _protocol(table, network, recipe, plan, folds if not (train or test) else "named")
    rows: list[dict[str, Any]] = []
    work = [(seed, fold) for seed in seeds for fold in plan]
    for i, (seed, fold) in enumerate(work):

        def report(done: int, total: int, message: str, i: int = i, fold: Fold = fold) -> None:
            share = int(1000 * (i + done / total) / len(work))
            on_progress(share, 1000, f"{', '.join(fold.test)}: {message}")

        rows += _fold_rows(network, fold, data, recipe.with_(seed=seed), device, out, report)
    summary = {
        "network": network,
        "n_parameters": max(row["n_parameters"] for row in rows),
        "folds": rows,
        "protocol": {**protocol, "seeds": list(seeds)},
    }
    _gene_table(out, rows).to_csv(out / "genes.csv", index=False, float_format="%.5g")
    write_json(out / "summary.json", summary)
    if (out / "work").exists():
        (out / "work").rmdir()  # checkpoints, cleared when their stage ended
    return summary


def run_fold(
    network: str,
    fold: Fold,
    data: dict[str, SectionData],
    recipe: Recipe,
    device: str,
    *,
    work: Path | None = None,
    on_progress: Progress = no_progress,
) -> tuple[list[HeldOut], Trained]:
    """Train on the fold's training sections and predict its held-out ones."""
    learn, held = [data[n] for n in fold.train], [data[n] for n in fold.test]
    epochs = recipe
    if network == "mean-profile":
        epochs = recipe.with_(autoencoder_epochs=0, epochs=0)
    trained = fit_histospace(
        learn, epochs, pick_device(device), test=held, work=work, on_progress=on_progress
    )
    results = []
    for section in held:
        measured = trained.panel.expression(section.measured, recipe.expression_unit)
        mean = trained.network.mean_profile.numpy()
        if network == "mean-profile":
            predicted = np.broadcast_to(mean, measured.shape).copy()
        else:
            predicted = predict_tiles(trained.network, torch.from_numpy(section.tiles)).numpy()
        results.append(
            HeldOut(
                section.section.name,
                section.section.patient,
                trained.panel.genes,
                measured,
                predicted,
                mean,
            )
        )
    return results, trained


def score(network: str, held: HeldOut, section: SectionData, trained: Trained) -> dict[str, Any]:
    """The row of one held-out section in `summary.json`, with the per-gene scores beside it."""
    r = per_gene_pearson(held.measured, held.predicted)
    varies = np.isfinite(r)
    x, y = held.measured[:, varies], held.predicted[:, varies]
    mean = held.mean_profile[varies]
    known = [g for g in np.array(held.genes)[varies] if g in section.measured.var_names]
    columns = section.measured.var_names.get_indexer(known)
    hvg = r[trained.hvg50]
    return {
        "test": held.section,
        "patient": held.patient,
        "n_spots": len(held.measured),
        "n_genes": int(varies.sum()),
        "n_parameters": n_parameters(trained.network) if network != "mean-profile" else 0,
        "per_gene_pearson": float(r[varies].mean()),
        "per_gene_pearson_hvg50": float(np.nanmean(hvg)),
        "mse_ratio_to_mean": mse_ratio_to_mean(x, y, mean),
        "per_spot_pearson": float(np.nanmean(per_spot_pearson(x, y))),
        "mean_profile_per_spot_pearson": float(
            np.nanmean(per_spot_pearson(x, np.broadcast_to(mean, x.shape)))
        ),
        "noise_ceiling": float(np.nanmean(noise_ceiling(section.measured.X, columns))),
        "best_epoch": trained.best_epoch,
        "genes": {
            "gene": list(held.genes),
            "pearson": [None if np.isnan(v) else round(float(v), 5) for v in r],
            "mse_ratio_to_mean": [
                round(float(v), 5)
                for v in mse_ratio_per_gene(held.measured, held.predicted, held.mean_profile)
            ],
        },
    }


def _fold_rows(
    network: str,
    fold: Fold,
    data: dict[str, SectionData],
    recipe: Recipe,
    device: str,
    out: Path,
    on_progress: Progress,
) -> list[dict[str, Any]]:
    """Rows of a fold, from its file where the same settings made it."""
    settings = {"network": network, "recipe": recipe.to_dict(), "fold": [fold.train, fold.test]}
    file = out / "folds" / f"{'+'.join(fold.test)}-seed{recipe.seed}.json"
    settings = json.loads(json.dumps(settings))
    if file.exists():
        kept = json.loads(file.read_text("utf-8"))
        if kept["settings"] == settings:
            return kept["rows"]
    started = time.perf_counter()
    results, trained = run_fold(
        network, fold, data, recipe, device, work=out / "work", on_progress=on_progress
    )
    seconds = round(time.perf_counter() - started, 1)
    rows = [
        {
            **score(network, held, data[held.section], trained),
            "train_sections": list(fold.train),
            "same_patient_in_training": fold.same_patient,
            "seed": recipe.seed,
            "train_seconds": seconds,
        }
        for held in results
    ]
    write_json(file, {"settings": settings, "rows": rows})
    return rows


def _protocol(
    table: Path, network: str, recipe: Recipe, folds: list[Fold], by: str
) -> dict[str, Any]:
    leaks = [
        name
        for name, is_on in {
            "the reported fold picks the checkpoint": recipe.mends.checkpoint == "test",
            "the gene filter sees the held-out spots": recipe.mends.panel_from == "all",
            "a patient is on both sides": any(f.same_patient for f in folds),
        }.items()
        if is_on
    ]
    return {
        "cohort": table.name,
        "folds": by,
        "leaks": leaks if network != "mean-profile" else leaks[1:],
        "recipe": recipe.to_dict(),
        "version": __version__,
        "definitions": _NOTES,
    }


def _gene_table(out: Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Move the per-gene scores of all folds into one long table."""
    parts = [
        pd.DataFrame(row.pop("genes")).assign(
            test=row["test"], patient=row["patient"], seed=row["seed"]
        )
        for row in rows
    ]
    return pd.concat(parts, ignore_index=True)
