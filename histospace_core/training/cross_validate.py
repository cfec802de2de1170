"""Score a network on held-out sections, with the score of the mean profile for comparison."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from histospace_core import __version__
from histospace_core.evaluation import (
    DEFINITIONS,
    HeldOut,
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
from histospace_core.training.method import Method
from histospace_core.training.parallel import processes
from histospace_core.training.patient_levels import (
    levels_of,
    read_levels,
    require_fitting,
)
from histospace_core.training.recipe import Recipe
from histospace_core.training.registry import method_named
from histospace_core.training.run_fold import FoldResult, run_fold
from histospace_core.uncertainty import Evidence, Levels, coverage_report


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
    levels: Path | None = None,
    on_progress: OnProgress = no_progress,
) -> dict[str, Any]:
    """Cross-validate; write `summary.json`, `genes.csv`, and each fold's rows and predictions.

    A fold that was finished with the same settings is not computed again.

    Parameters
    ----------
    recipe
        The network's default if None.
    levels
        CSV of sections of which only counts exist, `section,patient,counts`: they show how levels
        differ between patients. The prediction of a new patient moves to the mean level of the
        other patients, and each row gains `mse_ratio_to_levels`.

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
    further = read_levels(levels) if levels else []
    data = method.load(used, recipe.stain)
    require_fitting(data.values(), further)
    known = levels_of(data.values(), further)
    moved_to = known if further else None
    rows: list[dict[str, Any]] = []
    work = [(seed, fold) for seed in seeds for fold in plan]
    for i, (seed, fold) in enumerate(work):
        label = ", ".join(fold.test) + (f", seed {seed}" if len(seeds) > 1 else "")
        report = part_progress(on_progress, label, i / len(work), (i + 1) / len(work))
        rows += _fold_rows(
            method, fold, data, recipe.with_(seed=seed), device, moved_to, out, report
        )
    genes = _gene_table(rows)
    protocol = _protocol(table, method, recipe, plan, folds if not (train or test) else "named")
    summary = {
        "network": network,
        "n_parameters": max(row["n_parameters"] for row in rows),  # panels differ between folds
        "folds": rows,
        "summary": summarise(rows),
        "interval": processes().from_first(lambda: _interval(out, rows, known, recipe, plan)),
        "protocol": {
            **protocol,
            "seeds": list(seeds),
            "count_only_sections": [s.name for s in further],
            "arithmetic": arithmetic(processes().device(device)),
        },
    }
    processes().from_first(lambda: _write(out, genes, summary))
    return summary


def _fold_rows(
    method: Method,
    fold: Fold,
    data: dict[str, SectionData],
    recipe: Recipe,
    device: str,
    levels: Levels | None,
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
        "levels": levels and [levels.sections, levels.patients],
    }
    settings = json.loads(json.dumps(settings))  # tuples become lists, as in the stored file
    finished = processes().from_first(lambda: _finished(file, settings))
    if finished is not None:
        return finished
    started = time.perf_counter()
    result = run_fold(
        method,
        fold,
        data,
        recipe,
        device,
        levels=levels,
        work=out / "work",
        on_progress=on_progress,
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


def _interval(
    out: Path,
    rows: list[dict[str, Any]],
    levels: Levels,
    recipe: Recipe,
    plan: list[Fold],
) -> dict[str, Any]:
    """Measure how well intervals learnt from the others cover each held-out section."""
    first = rows[0]["seed"]
    files = [f"{row['test']}-seed{first}.npz" for row in rows if row["seed"] == first]
    held = [load_held_out(out / "folds" / file) for file in files]
    by = "section" if any(fold.same_patient for fold in plan) else "patient"
    evidence = Evidence(held, levels, recipe.expression_unit, by)
    return coverage_report(evidence)


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
