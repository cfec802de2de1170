"""From a cohort to a model package: scores by cross-validation, then weights from every section."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histospace_core import __version__
from histospace_core.characterise.signature_skill import held_out_signatures
from histospace_core.characterise.signatures import read_gmt
from histospace_core.errors import CohortError, ModelError
from histospace_core.evaluation import (
    HeldOut,
    bootstrap_pearson,
    fit_intervals,
    interval_report,
    mse_ratio_per_gene,
    per_gene_pearson,
)
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
from histospace_core.training.cross_validate import run_fold
from histospace_core.training.findings import require_sound
from histospace_core.training.folds import Fold, default_folds
from histospace_core.training.method import FitContext, Method, Packable, TrainingSet
from histospace_core.training.panel import Panel
from histospace_core.training.parallel import processes
from histospace_core.training.recipe import Recipe
from histospace_core.training.registry import TRAINABLE, method_named

LEVEL = 0.9
"""Nominal coverage of the prediction intervals."""
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
    data = method.load(sections, recipe.stain)
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
            work=work / f"fold{i}",
            on_progress=part_progress(on_progress, label, i / steps, (i + 1) / steps),
        ).held
    everything = TrainingSet.of(list(data.values()), recipe)
    report = part_progress(on_progress, "all sections", len(folds) / steps, 1)
    context = FitContext(processes().device(device), work=work / "final", on_progress=report)
    trained = method.fit(everything, recipe, context)
    assert isinstance(trained, Packable)

    def pack() -> ModelPackage:
        genes = score_panel(everything.panel, held)
        interval = {"level": LEVEL, "promise": "No section was held out, so there is no interval."}
        if held:  # by section, because there are seldom enough patients
            widths = fit_intervals(held, LEVEL, "section").of(everything.panel.genes)
            genes["interval_half_width"] = widths
            interval = interval_report(held, LEVEL)
        config = _config(method, recipe, trained, data, folds, genes)
        config["data_note"] = data_note
        config["metrics"]["interval"] = interval
        config["metrics"]["signatures"] = _signatures(held, genes)
        card = model_card(out.name, config)
        package = save_package(out, trained.network, trained.domain, config, genes, card)
        remove_empty(work)
        return package

    return processes().from_first(pack)


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
        r, low, high, ratio, ceiling = scores.mean(0) if len(scores) else np.full(5, np.nan)
        reliable = bool(low > 0 and ratio < 1)  # False for NaN, so for an unscored gene
        share = r / ceiling if ceiling > 0 else np.nan
        rows.append((gene, gene_id, r, low, high, ratio, reliable, share))
    return pd.DataFrame(rows, columns=[*GENE_COLUMNS, "share_of_noise_ceiling"])


def _patient_scores(held: Sequence[HeldOut]) -> dict[str, np.ndarray]:
    """Return r, its interval, MSE ratio and noise ceiling of each gene of a patient's sections.

    Each section has the panel of its fold, so only genes that are in all of these panels, and vary
    in all sections, are scored.
    """
    shared = set.intersection(*(set(h.genes) for h in held))
    genes = [g for g in held[0].genes if g in shared]
    columns = [pd.Index(h.genes).get_indexer(genes) for h in held]
    pairs = [(h.measured[:, c], h.predicted[:, c]) for h, c in zip(held, columns, strict=True)]
    means = [h.mean_profile[c] for h, c in zip(held, columns, strict=True)]
    r = np.mean([per_gene_pearson(*pair) for pair in pairs], axis=0)
    ratio = np.mean(
        [mse_ratio_per_gene(*pair, mean) for pair, mean in zip(pairs, means, strict=True)], axis=0
    )
    interval = bootstrap_pearson(pairs)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # nanmean warns of genes without a ceiling in any section
        ceilings = [h.noise_ceiling()[c] for h, c in zip(held, columns, strict=True)]
        ceiling = np.nanmean(ceilings, axis=0)
    table = np.column_stack([r, interval.low, interval.high, ratio, ceiling])
    return {g: row for g, row in zip(genes, table, strict=True) if np.isfinite(row[0])}


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
    scored = genes["held_out_pearson"].notna()
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
        "metrics": {
            "held_out_by": _held_out_by(folds),
            "n_genes": len(genes),
            "n_genes_scored": int(scored.sum()),
            "n_genes_reliable": int(genes["reliable"].sum()),
            "per_gene_pearson": _mean(genes["held_out_pearson"]),
            "mse_ratio_to_mean": _mean(genes["mse_ratio_to_mean"]),
            "mean_profile": {"per_gene_pearson": 0.0, "mse_ratio_to_mean": 1.0},
            "reliable_rule": RELIABLE,
        },
        "histospace_version": __version__,
    }


def _held_out_by(folds: list[Fold]) -> str:
    if not folds:
        return "nothing"
    return "section" if folds[0].same_patient else "patient"


def _mean(values: pd.Series) -> float | None:
    return round(float(values.mean()), 4) if values.notna().any() else None
