"""One fold: train on its training sections and predict the held-out ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from histospace_core.errors import CohortError
from histospace_core.evaluation import GeneSets, HeldOut, gene_sets
from histospace_core.progress import OnProgress, no_progress
from histospace_core.training.cohort import SectionData
from histospace_core.training.folds import Fold
from histospace_core.training.method import FitContext, Fitted, Method, Packable, TrainingSet
from histospace_core.training.panel import Panel
from histospace_core.training.parallel import processes
from histospace_core.training.patient_levels import moved_profile
from histospace_core.training.recipe import Recipe
from histospace_core.uncertainty import Levels


@dataclass(frozen=True, eq=False)
class FoldResult:
    """A fold's fitted network, the gene sets fixed on its training data, and its predictions."""

    fitted: Fitted
    train: TrainingSet
    sets: GeneSets
    held: list[HeldOut]
    """Predictions; empty in all processes but the first, which alone predicts and scores."""


def run_fold(
    method: Method,
    fold: Fold,
    data: dict[str, SectionData],
    recipe: Recipe,
    device: str,
    *,
    levels: Levels | None = None,
    work: Path | None = None,
    on_progress: OnProgress = no_progress,
) -> FoldResult:
    """Train on the fold's training sections and predict its held-out ones.

    Parameters
    ----------
    levels
        Levels of sections of several patients: the prediction for a patient who is not in training
        is moved to the mean level of the others. None leaves it at that of the training sections.
    work
        Folder for checkpoints; None saves none.
    """
    held = [data[n] for n in fold.test]
    train = TrainingSet.of([data[n] for n in fold.train], recipe, leak=held)
    for section in held:
        _require_shared_genes(train.panel, section)  # before the hours of training
    torch.manual_seed(recipe.seed)
    context = FitContext(processes().device(device), held, work, on_progress)
    fitted = method.fit(train, recipe, context)
    sets = gene_sets(train.expression, [s.centres for s in train.sections])
    others = None if fold.same_patient else levels
    predicted = [hold_out(fitted, train, s, others) for s in held] if processes().first else []
    return FoldResult(fitted, train, sets, predicted)


def _require_shared_genes(panel: Panel, section: SectionData) -> None:
    if not np.isin(panel.genes, section.measured.var_names).any():
        raise CohortError(
            f"Section '{section.section.name}' counts none of the {len(panel)} genes that are "
            "frequent in the training sections; check that all sections use the same gene names."
        )


def hold_out(
    fitted: Fitted, train: TrainingSet, section: SectionData, levels: Levels | None = None
) -> HeldOut:
    """Predict a section from its pixels; its counts are kept for scoring only."""
    measured, genes = section.measured, train.panel.genes
    predicted, profile = fitted.predict(section), None
    if levels is not None:
        profile = moved_profile(train, levels.without(patient=section.section.patient))
        predicted += profile - train.mean_profile
    counted = np.isin(genes, measured.var_names)  # the other genes are 0 in `measured`
    return HeldOut(
        section=section.section.name,
        patient=section.section.patient,
        genes=genes,
        measured=train.panel.expression(measured, train.unit),
        predicted=predicted,
        mean_profile=train.mean_profile,
        counts=train.panel.counts(measured),
        centres=section.centres,
        counted=counted,
        library=np.asarray(measured.X.sum(1), dtype=np.float64).ravel(),  # of all genes
        levels_profile=profile,
        domain=fitted.domain_scores(section) if isinstance(fitted, Packable) else None,
        um_per_px=section.section.mpp,
    )
