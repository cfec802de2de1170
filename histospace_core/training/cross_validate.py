"""Score a network on held-out sections, with the score of the mean profile for comparison."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from histospace_core import __version__
from histospace_core.errors import CohortError
from histospace_core.evaluation import (
    DEFINITIONS,
    GeneSets,
    HeldOut,
    gene_sets,
    interval_report,
    score_section,
    summarise,
)
from histospace_core.files import write_json
from histospace_core.out_lock import alone_in
from histospace_core.progress import OnProgress, no_progress, part_progress
from histospace_core.training.arithmetic import arithmetic
from histospace_core.training.checkpoint import remove_empty
from histospace_core.training.cohort import SectionData, read_cohort
from histospace_core.training.cohort_check import cohort_check
from histospace_core.training.findings import require_sound
from histospace_core.training.folds import Fold, make_folds, sections_of
from histospace_core.training.held_out_file import load_held_out, save_held_out
from histospace_core.training.method import FitContext, Fitted, Method, TrainingSet
from histospace_core.training.panel import Panel
from histospace_core.training.parallel import processes
from histospace_core.training.recipe import Recipe
from histospace_core.training.registry import method_named


@dataclass(frozen=True, eq=False)
class FoldResult:
    """A fold's fitted network, the gene sets fixed on its training data, and its predictions."""

    fitted: Fitted
    train: TrainingSet
    sets: GeneSets
    held: list[HeldOut]
    """Predictions; empty in all processes but the first, which alone predicts and scores."""


@alone_in("out")
def evaluate_cohort(
    table: Path,
    out: Path,
    *,
    network: str = "histospace",
    recipe: Recipe | None = None,
    folds: str = "patient",
    train: Sequence[str] = (),
    test: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> dict[str, Any]:
    """Cross-validate; write `summary.json`, `genes.csv`, and each fold's rows and predictions.

    A fold that was finished with the same settings is not computed again.

    Parameters
    ----------
    recipe
        The network's default if None.

    Returns
    -------
    The content of `summary.json`.

    Raises
    ------
    CohortError
        The cohort cannot be read or split, or a tissue is on both sides of a fold.
    """
    method = method_named(network)
    recipe = recipe or method.recipe()
    sections = read_cohort(table)
    plan = make_folds(sections, folds, train=train, test=test)
    used = sections_of(plan, sections)
    require_sound(cohort_check(used, plan))
    data = method.load(used, recipe.stain)
    rows: list[dict[str, Any]] = []
    work = [(seed, fold) for seed in seeds for fold in plan]
    for i, (seed, fold) in enumerate(work):
        label = ", ".join(fold.test) + (f", seed {seed}" if len(seeds) > 1 else "")
        report = part_progress(on_progress, label, i / len(work), (i + 1) / len(work))
        rows += _fold_rows(method, fold, data, recipe.with_(seed=seed), device, out, report)
    genes = _gene_table(rows)
    protocol = _protocol(table, method, recipe, plan, folds if not (train or test) else "named")
    summary = {
        "network": network,
        "n_parameters": max(row["n_parameters"] for row in rows),  # panels differ between folds
        "folds": rows,
        "summary": summarise(rows),
        "interval": processes().from_first(lambda: _interval(out, rows)),
        "protocol": {
            **protocol,
            "seeds": list(seeds),
            "arithmetic": arithmetic(processes().device(device)),
        },
    }
    processes().from_first(lambda: _write(out, genes, summary))
    return summary


def run_fold(
    method: Method,
    fold: Fold,
    data: dict[str, SectionData],
    recipe: Recipe,
    device: str,
    *,
    work: Path | None = None,
    on_progress: OnProgress = no_progress,
) -> FoldResult:
    """Train on the fold's training sections and predict its held-out ones."""
    held = [data[n] for n in fold.test]
    train = TrainingSet.of([data[n] for n in fold.train], recipe, leak=held)
    for section in held:
        _require_shared_genes(train.panel, section)  # before the hours of training
    torch.manual_seed(recipe.seed)
    context = FitContext(processes().device(device), held, work, on_progress)
    fitted = method.fit(train, recipe, context)
    sets = gene_sets(train.expression, [s.centres for s in train.sections])
    predicted = [_held_out(fitted, train, s) for s in held] if processes().first else []
    return FoldResult(fitted, train, sets, predicted)


def _require_shared_genes(panel: Panel, section: SectionData) -> None:
    if not np.isin(panel.genes, section.measured.var_names).any():
        raise CohortError(
            f"Section '{section.section.name}' counts none of the {len(panel)} genes that are "
            "frequent in the training sections; check that all sections use the same gene names."
        )


def _held_out(fitted: Fitted, train: TrainingSet, section: SectionData) -> HeldOut:
    """Predict a section from its pixels; its counts are kept for scoring only."""
    measured, genes = section.measured, train.panel.genes
    counted = np.isin(genes, measured.var_names)  # the other genes are 0 in `measured`
    return HeldOut(
        section=section.section.name,
        patient=section.section.patient,
        genes=genes,
        measured=train.panel.expression(measured, train.unit),
        predicted=fitted.predict(section),
        mean_profile=train.mean_profile,
        counts=train.panel.counts(measured),
        centres=section.centres,
        counted=counted,
        library=np.asarray(measured.X.sum(1), dtype=np.float64).ravel(),  # of all genes
    )


def _fold_rows(
    method: Method,
    fold: Fold,
    data: dict[str, SectionData],
    recipe: Recipe,
    device: str,
    out: Path,
    on_progress: OnProgress,
) -> list[dict[str, Any]]:
    """Return the rows of a fold, from its file if it was computed with the same settings."""
    name = f"{'+'.join(fold.test)}-seed{recipe.seed}"
    file = out / "folds" / f"{name}.json"
    settings = {
        "network": method.name,
        "recipe": recipe.to_dict(),
        "fold": [fold.train, fold.test],
        "version": __version__,
    }
    settings = json.loads(json.dumps(settings))  # tuples become lists, as in the stored file
    finished = processes().from_first(lambda: _finished(file, settings))
    if finished is not None:
        return finished
    started = time.perf_counter()
    result = run_fold(
        method, fold, data, recipe, device, work=out / "work", on_progress=on_progress
    )
    seconds = round(time.perf_counter() - started, 1)

    def score() -> list[dict[str, Any]]:
        rows = [_score(result, held, fold, recipe, seconds) for held in result.held]
        for held in result.held:
            save_held_out(out / "folds" / f"{held.section}-seed{recipe.seed}.npz", held)
        write_json(file, {"settings": settings, "rows": rows})  # last: marks the fold as finished
        return rows

    return processes().from_first(score)


def _finished(file: Path, settings: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the stored rows of a fold if they were computed with these settings, else None."""
    stored = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return stored["rows"] if stored.get("settings") == settings else None


def _score(
    result: FoldResult, held: HeldOut, fold: Fold, recipe: Recipe, seconds: float
) -> dict[str, Any]:
    return {
        **score_section(held, result.sets, unit=recipe.expression_unit),
        "n_parameters": result.fitted.n_parameters,
        "train_sections": list(fold.train),
        "same_patient_in_training": fold.same_patient,
        "seed": recipe.seed,
        "train_seconds": seconds,
    }


def _interval(out: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Measure how well intervals fitted to the other sections cover each held-out section."""
    files = [f"{row['test']}-seed{row['seed']}.npz" for row in rows]
    return interval_report([load_held_out(out / "folds" / file) for file in files])


def _write(out: Path, genes: pd.DataFrame, summary: dict[str, Any]) -> None:
    genes.to_csv(out / "genes.csv", index=False, float_format="%.5g")
    write_json(out / "summary.json", summary)
    remove_empty(out / "work")  # finished stages have deleted their checkpoints


def _protocol(
    table: Path, method: Method, recipe: Recipe, folds: list[Fold], by: str
) -> dict[str, Any]:
    settings = recipe.to_dict()
    leaks = [
        name
        for name, is_on in {
            "the checkpoint was chosen on the held-out sections": settings.get("mends", {}).get(
                "checkpoint"
            )
            == "test",
            "the gene filter used the held-out spots": recipe.panel_from == "all",
            "a patient is on both sides": any(f.same_patient for f in folds),
        }.items()
        if is_on
    ]
    return {
        "cohort": table.name,
        "folds": by,
        "leaks": leaks,
        "source": method.source,
        "recipe": settings,
        "version": __version__,
        "definitions": DEFINITIONS,
    }


def _gene_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Remove the per-gene scores from the rows and return them as one long table."""
    parts = [
        pd.DataFrame(row.pop("genes")).assign(
            test=row["test"], patient=row["patient"], seed=row["seed"]
        )
        for row in rows
    ]
    return pd.concat(parts, ignore_index=True)
