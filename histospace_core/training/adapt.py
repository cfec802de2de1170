"""Adapt a model to a patient: continue its training on one measured section of this patient."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histospace_core import __version__
from histospace_core.errors import ModelError
from histospace_core.evaluation import HeldOut
from histospace_core.networks import ModelPackage, save_package
from histospace_core.networks.histospace_plus import HistoSPACEPlus
from histospace_core.out_lock import alone_in
from histospace_core.progress import OnProgress, Progress, no_progress, part_progress
from histospace_core.slides.content import slide_sha256
from histospace_core.training.adapt_blocks import of_genes, part_of, spatial_blocks
from histospace_core.training.adapt_checks import (
    require_adaptable,
    require_placed,
    require_same_biology,
    require_skill,
)
from histospace_core.training.adapt_fit import ADAPT, AdaptPanels, fit_section, with_genes
from histospace_core.training.build import mean_score, score_panel, summary_metrics
from histospace_core.training.card import adapted_card
from histospace_core.training.cohort import Section, SectionData
from histospace_core.training.histospace_plus import HISTOSPACE_PLUS, TrainedPlus, share_features
from histospace_core.training.method import FitContext
from histospace_core.training.parallel import processes
from histospace_core.training.recipe import PlusRecipe
from histospace_core.training.run_fold import hold_out


@dataclass(frozen=True, eq=False)
class Adapted:
    """An adaptation before it is packed.

    Attributes
    ----------
    trained
        Trained on the whole section; predicts `panels.learnt`.
    held, unadapted
        Predictions of each block by a network adapted on the other blocks, of `panels.learnt`, and
        by the model as it was, of `panels.model`.
    """

    trained: TrainedPlus
    panels: AdaptPanels
    held: list[HeldOut]
    unadapted: list[HeldOut]


@alone_in("out")
def adapt_model(
    model: ModelPackage,
    section: Section,
    out: Path,
    *,
    extend: bool = False,
    recipe: PlusRecipe = ADAPT,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> ModelPackage:
    """Continue the training of a model on one measured section, for its patient's other slides.

    The new package states scores on spatial blocks of the section, each predicted by a network
    adapted on the other blocks, beside those of the unadapted model on the same blocks.

    Parameters
    ----------
    out
        New folder for the package.
    extend
        Also predict the genes that are non-zero in more than half of the section's spots.

    Raises
    ------
    ModelError
        `out` exists, or the model is no HistoSPACE+ model.
    MeasurementError
        The section does not fit its slide or the model; nothing is written.
    """
    if out.exists():
        raise ModelError(f"'{out.name}' exists already; choose another name or delete it.")
    require_adaptable(model)
    require_placed(section, model)
    network, _ = model.load()
    assert isinstance(network, HistoSPACEPlus)
    was = model.config.get("recipe", {})
    recipe = recipe.with_(expression_unit=model.config["expression_unit"], stain=was.get("stain"))
    (data,) = HISTOSPACE_PLUS.load([section], recipe.stain).values()
    panels = AdaptPanels.of(model.genes, data.measured)
    require_same_biology(section, data.measured, panels, network, recipe.expression_unit)
    adapted = fit_adapted(network, data, panels, recipe, device, on_progress)
    require_skill(section, adapted.held)
    return processes().from_first(lambda: _pack(model, data, adapted, recipe, out, extend=extend))


def fit_adapted(
    network: HistoSPACEPlus,
    data: SectionData,
    panels: AdaptPanels,
    recipe: PlusRecipe,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> Adapted:
    """Hold each block out in turn, then train on the whole section."""
    target = processes().device(device)
    block = spatial_blocks(data.centres)
    names = [f"block {i + 1} of {block.max() + 1} held out" for i in range(block.max() + 1)]
    steps = len(names) + 1
    on_progress(Progress(0, steps, "reading the frozen features"))
    network.to(target)
    held = []
    for i, name in enumerate(names):
        learn, rest = (np.flatnonzero(rows) for rows in (block != i, block == i))
        parts = [part_of(data, rows, name) for rows in (learn, rest)]
        share_features(network, data, parts[0], learn)
        report = part_progress(on_progress, name, i / steps, (i + 1) / steps)
        context = FitContext(target, on_progress=report)
        trained, train = fit_section(parts[0], network, panels, recipe, context)
        held.append(hold_out(trained, train, parts[1]))
    report = part_progress(on_progress, "the whole section", len(names) / steps, 1)
    whole, _ = fit_section(data, network, panels, recipe, FitContext(target, on_progress=report))
    before = with_genes(network, panels.columns)
    as_it_was = TrainedPlus(before, whole.domain).predict(data)
    unadapted = [
        replace(of_genes(h, panels.model.genes), predicted=as_it_was[block == i])
        for i, h in enumerate(held)
    ]
    return Adapted(whole, panels, held, unadapted)


def _pack(
    model: ModelPackage,
    data: SectionData,
    adapted: Adapted,
    recipe: PlusRecipe,
    out: Path,
    *,
    extend: bool,
) -> ModelPackage:
    panels = adapted.panels
    panel = panels.learnt if extend else panels.model
    network = with_genes(adapted.trained.network, np.arange(len(panel)))  # these come first
    trained = TrainedPlus(network, adapted.trained.domain)
    genes, before = (score_panel(panel, held) for held in (adapted.held, adapted.unadapted))
    section = {
        "section": data.section.name,
        "patient": data.section.patient,
        "n_spots": data.n_spots,
        "image_sha256": slide_sha256(data.section.image),
    }
    same = ("network", "tile_px", "um_per_px", "context", "expression_unit")
    config = {
        **{key: model.config[key] for key in same},
        "arguments": trained.arguments,
        "n_parameters": trained.n_parameters,
        # those of the model too: a prediction of one of their slides is not held out
        "training_sections": [*model.config.get("training_sections", []), section],
        "recipe": recipe.to_dict(),
        "data_note": model.config.get("data_note", ""),
        "metrics": {"held_out_by": "block", **summary_metrics(genes)},
        "adapted": {
            "model": model.name,
            "model_sha256": model.sha256,
            **section,
            "n_blocks": len(adapted.held),
            "n_genes_not_counted": panels.n_not_counted,
            "n_genes_added": len(panel) - len(panels.model),
            "unadapted": shared_metrics(before, before),
            "on_genes_of_model": shared_metrics(genes, before),
        },
        "histospace_version": __version__,
    }
    return save_package(out, network, trained.domain, config, genes, adapted_card(out.name, config))


def shared_metrics(genes: pd.DataFrame, others: pd.DataFrame) -> dict[str, Any]:
    """Return the mean scores over the genes that have scores in both tables."""
    both = genes[genes["held_out_pearson"].notna() & others["held_out_pearson"].notna()]
    return {
        "n_genes_scored": len(both),
        "per_gene_pearson": mean_score(both["held_out_pearson"]),
        "mse_ratio_to_mean": mean_score(both["mse_ratio_to_mean"]),
    }
