"""From a cohort to a model package: scores by cross-validation, then weights from every section."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from histospace_core import __version__
from histospace_core.characterise.signature_skill import held_out_signatures
from histospace_core.characterise.signatures import read_gmt
from histospace_core.errors import CohortError, ModelError
from histospace_core.evaluation import (
    HeldOut,
    bootstrap_pearson,
    mse_ratio_per_gene,
    per_gene_pearson,
)
from histospace_core.evaluation.noise import SHARE_COLUMNS, share_of
from histospace_core.networks import (
    GENE_COLUMNS,
    ModelPackage,
    save_package,
)
from histospace_core.out_lock import alone_in
from histospace_core.progress import OnProgress, no_progress, part_progress
from histospace_core.slides.content import slide_sha256
from histospace_core.training.card import DATA_NOTE, model_card
from histospace_core.training.checkpoint import remove_empty
from histospace_core.training.cohort import SectionData, read_cohort
from histospace_core.training.cohort_check import cohort_check
from histospace_core.training.findings import require_sound
from histospace_core.training.folds import Fold, default_folds
from histospace_core.training.method import FitContext, Method, Packable, TrainingSet
from histospace_core.training.panel import Panel
from histospace_core.training.parallel import processes
from histospace_core.training.patient_levels import (
    CountedSection,
    levels_of,
    moved_profile,
    read_levels,
    require_fitting,
)
from histospace_core.training.recipe import Recipe
from histospace_core.training.registry import TRAINABLE, method_named
from histospace_core.training.run_fold import run_fold
from histospace_core.uncertainty import (
    SCALES,
    Evidence,
    coverage_report,
    to_columns,
    to_json,
)

RELIABLE = (
    "the lower end of the 95 % interval of the held-out correlation is above 0 and the held-out "
    "error is below the mean profile's (MSE ratio < 1)"
)


@alone_in("out")
def train_from_cohort(
    table: Path,
    out: Path,
    *,
    network: str = "histospace",
    recipe: Recipe | None = None,
    device: str = "auto",
    data_note: str = DATA_NOTE,
    levels: Path | None = None,
    on_progress: OnProgress = no_progress,
) -> ModelPackage:
    """Train on every section of a cohort and pack the model with its held-out scores.

    Scores come from leaving one patient out at a time, or one section if there is one patient (the
    card then says so). A single section gives no scores and no reliable gene. An interrupted
    training resumes from its last checkpoint.

    Parameters
    ----------
    out
        New folder for the package.
    data_note
        Source and licence of the training data, for the model card.
    levels
        CSV of sections of which only counts exist, `section,patient,counts`. They show how levels
        differ between patients, for the intervals; the model predicts around the mean level of all
        patients.

    Raises
    ------
    CohortError, ModelError
    """
    if network not in TRAINABLE:
        raise CohortError(f"'{network}' cannot be trained; choose {', '.join(TRAINABLE)}.")
    if out.exists():
        raise ModelError(f"'{out.name}' exists already; choose another name or delete it.")
    method = method_named(network)
    recipe = recipe or method.recipe()
    sections = read_cohort(table)
    folds = default_folds(sections)
    require_sound(cohort_check(sections, folds))
    further = read_levels(levels) if levels else []
    data = method.load(sections, recipe.stain)
    require_fitting(data.values(), further)
    known = levels_of(data.values(), further)
    # not in `out`, whose existence means a complete package
    work = out.with_name(out.name + ".work")
    steps = len(folds) + 1
    held: list[HeldOut] = []
    for i, fold in enumerate(folds):
        label = f"fold {i + 1} of {len(folds)}, held out {', '.join(fold.test)}"
        held += run_fold(
            method,
            fold,
            data,
            recipe,
            device,
            levels=known if further else None,
            work=work / f"fold{i}",
            on_progress=part_progress(on_progress, label, i / steps, (i + 1) / steps),
        ).held
    everything = TrainingSet.of(list(data.values()), recipe)
    report = part_progress(on_progress, "all sections", len(folds) / steps, 1)
    context = FitContext(processes().device(device), work=work / "final", on_progress=report)
    trained = method.fit(everything, recipe, context)
    assert isinstance(trained, Packable)
    if further:
        profile = torch.from_numpy(moved_profile(everything, known))
        trained.network.get_buffer("mean_profile").copy_(profile)

    def pack() -> ModelPackage:
        genes = score_panel(everything.panel, held)
        evidence = Evidence(held, known, everything.unit, _held_out_by(folds))
        columns, interval = _interval(everything.panel.genes, evidence)
        genes = genes.join(columns)
        config = _config(method, recipe, trained, data, folds, genes)
        config["data_note"] = data_note
        config["count_only_sections"] = _by_patient(further)
        config["metrics"]["interval"] = interval
        if "confirmed_scale" in genes:
            found = genes["confirmed_scale"].value_counts()
            scales = {scale: int(found.get(scale, 0)) for scale in SCALES}
            config["metrics"]["confirmed_scales"] = scales
        config["metrics"]["signatures"] = _signatures(held, genes)
        card = model_card(out.name, config)
        package = save_package(out, trained.network, trained.domain, config, genes, card)
        remove_empty(work)
        return package

    return processes().from_first(pack)


def _interval(genes: Sequence[str], evidence: Evidence) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the columns of `genes.csv` and the entry of `metrics` that make the intervals."""
    report = coverage_report(evidence)
    if not evidence.usable:
        return pd.DataFrame(), report
    predictive = evidence.fit(genes)
    return to_columns(predictive), {**report, **to_json(predictive)}


def _by_patient(sections: Sequence[CountedSection]) -> dict[str, list[str]]:
    patients = sorted({s.patient for s in sections})
    return {p: [s.name for s in sections if s.patient == p] for p in patients}


def score_panel(panel: Panel, held: Sequence[HeldOut]) -> pd.DataFrame:
    """Return held-out scores of the panel, averaged within each patient, then over patients.

    Intervals come from resampling the spots of each section. A gene that no fold could score has
    no scores.
    """
    sums: dict[str, list[np.ndarray]] = {g: [] for g in panel.genes}
    patients = sorted({h.patient for h in held})
    for patient in patients:
        for gene, row in _patient_scores([h for h in held if h.patient == patient]).items():
            if gene in sums:  # a fold's panel may have genes that the final panel lacks
                sums[gene].append(row)
    rows = []
    for gene, gene_id in zip(panel.genes, panel.gene_ids, strict=True):
        scores = np.array(sums[gene])
        r, low, high, ratio, *given_depth = scores.mean(0) if len(scores) else np.full(7, np.nan)
        reliable = bool(low > 0 and ratio < 1)  # False for NaN, so for an unscored gene
        rows.append((gene, gene_id, r, low, high, ratio, reliable, *share_of(*given_depth)))
    return pd.DataFrame(rows, columns=[*GENE_COLUMNS, *SHARE_COLUMNS])


def _patient_scores(held: Sequence[HeldOut]) -> dict[str, np.ndarray]:
    """Return r, its interval, MSE ratio, r given the depth, its ceiling of each gene of a patient.

    Each section has the panel of its fold, so only genes that are in all of these panels, and vary
    in all sections, are scored.
    """
    shared = set.intersection(*(set(h.genes) for h in held))
    genes = [g for g in held[0].genes if g in shared]
    columns = [pd.Index(h.genes).get_indexer(genes) for h in held]
    pairs = [(h.measured[:, c], h.predicted[:, c]) for h, c in zip(held, columns, strict=True)]
    means = [h.baseline[c] for h, c in zip(held, columns, strict=True)]
    r = np.mean([per_gene_pearson(*pair) for pair in pairs], axis=0)
    ratio = np.mean(
        [mse_ratio_per_gene(*pair, mean) for pair, mean in zip(pairs, means, strict=True)], axis=0
    )
    interval = bootstrap_pearson(pairs)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # nanmean warns of genes without a ceiling in any section
        given_depth = np.nanmean(
            [_given_depth(h)[:, c] for h, c in zip(held, columns, strict=True)], axis=0
        )
    table = np.column_stack([r, interval.low, interval.high, ratio, *given_depth])
    return {g: row for g, row in zip(genes, table, strict=True) if np.isfinite(row[0])}


def _given_depth(held: HeldOut) -> np.ndarray:
    """Return r given the depth and both ends of its ceiling, (3, genes)."""
    ceiling = held.noise_ceiling()
    table = np.stack([held.pearson_given_depth(), ceiling.low, ceiling.high])
    return np.where(np.isfinite(table).all(0), table, np.nan)


def _signatures(held: Sequence[HeldOut], genes: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return held-out scores of the shipped signatures that have enough reliable genes.

    The signatures are of human genes, so a model of another species has none.
    """
    reliable = genes.loc[genes["reliable"], "gene"]
    scores = held_out_signatures(held, read_gmt(), set(reliable)).dropna()
    return scores.set_index("signature").round(4).to_dict("index")


def _config(
    method: Method,
    recipe: Recipe,
    trained: Packable,
    data: dict[str, SectionData],
    folds: list[Fold],
    genes: pd.DataFrame,
) -> dict[str, Any]:
    return {
        "network": method.name,
        "arguments": trained.arguments,
        "n_parameters": trained.n_parameters,
        "tile_px": method.views[0].px,
        "um_per_px": method.views[0].um_per_px,
        "context": [asdict(view) for view in method.views[1:]],
        "expression_unit": recipe.expression_unit,
        "training_sections": [
            {
                "section": d.section.name,
                "patient": d.section.patient,
                "n_spots": d.n_spots,
                # tells a prediction that it was trained on
                "image_sha256": slide_sha256(d.section.image),
            }
            for d in data.values()
        ],
        "recipe": recipe.to_dict(),
        "metrics": {"held_out_by": _held_out_by(folds), **summary_metrics(genes)},
        "histospace_version": __version__,
    }


def summary_metrics(genes: pd.DataFrame) -> dict[str, Any]:
    """Return the mean scores of a panel, beside the mean profile's, from `score_panel`."""
    return {
        "n_genes": len(genes),
        "n_genes_scored": int(genes["held_out_pearson"].notna().sum()),
        "n_genes_reliable": int(genes["reliable"].sum()),
        "per_gene_pearson": mean_score(genes["held_out_pearson"]),
        "mse_ratio_to_mean": mean_score(genes["mse_ratio_to_mean"]),
        "mean_profile": {"per_gene_pearson": 0.0, "mse_ratio_to_mean": 1.0},
        "reliable_rule": RELIABLE,
    }


def _held_out_by(folds: list[Fold]) -> str:
    if not folds:
        return "nothing"
    return "section" if folds[0].same_patient else "patient"


def mean_score(values: pd.Series) -> float | None:
    """Return the mean of the scores that exist, for JSON; None if there is none."""
    return round(float(values.mean()), 4) if values.notna().any() else None
