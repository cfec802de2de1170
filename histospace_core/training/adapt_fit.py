"""The fit of an adaptation: a trained HistoSPACE+ is trained on, on one measured section."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from histospace_core.networks.histospace_plus import HistoSPACEPlus
from histospace_core.training.cohort import SectionData
from histospace_core.training.histospace_plus import TrainedPlus, fit_plus
from histospace_core.training.method import FitContext, TrainingSet
from histospace_core.training.panel import Panel, select_panel
from histospace_core.training.recipe import PLUS, PlusRecipe

ADAPT = PLUS.with_(autoencoder_epochs=0)
"""Settings of an adaptation, chosen by block cross-validation: see docs/adapt.md."""

OF_MODEL = 1 / 3
"""How far the programmes of the section move towards those of the model, 0 to 1."""


@dataclass(frozen=True, eq=False)
class AdaptPanels:
    """The genes of an adaptation.

    Attributes
    ----------
    learnt
        The genes of `model`, then the others that are frequent in the section: programmes are found
        in all of them, because more genes give programmes with less noise.
    model
        Genes of the model that the section counts.
    columns
        Their places among the model's genes.
    n_not_counted
        Genes of the model that the section does not count; the adapted model lacks them.
    """

    learnt: Panel
    model: Panel
    columns: NDArray[np.intp]
    n_not_counted: int

    @classmethod
    def of(cls, genes: pd.DataFrame, measured: AnnData) -> "AdaptPanels":
        """Find the genes of a package's table `genes` in a section."""
        counted = genes["gene"].isin(measured.var_names).to_numpy()
        shared = genes[counted]
        model = Panel(tuple(shared["gene"]), tuple(shared["gene_id"]))
        own = select_panel([measured])
        others = [
            pair for pair in zip(own.genes, own.gene_ids, strict=True) if pair[0] not in model.genes
        ]
        learnt = Panel(
            (*model.genes, *(gene for gene, _ in others)),
            (*model.gene_ids, *(gene_id for _, gene_id in others)),
        )
        return cls(learnt, model, np.flatnonzero(counted), int((~counted).sum()))


def fit_section(
    section: SectionData,
    network: HistoSPACEPlus,
    panels: AdaptPanels,
    recipe: PlusRecipe,
    context: FitContext,
) -> tuple[TrainedPlus, TrainingSet]:
    """Train on one section (or a part of it), from the weights of `network`; predict `learnt`."""
    train = TrainingSet((section,), panels.learnt, recipe.expression_unit)
    trained = fit_plus(train, recipe, replace(context, start=network))
    of_model = network.programmes.cpu().numpy()[:, panels.columns]
    genes = slice(len(panels.model))  # these come first
    programmes = trained.network.programmes.numpy()  # shares its memory with the network
    programmes[:, genes] = towards(programmes[:, genes], of_model)
    return trained, train


def towards(
    programmes: NDArray[np.float32], of_model: NDArray[np.float32], share: float = OF_MODEL
) -> NDArray[np.float32]:
    """Move programmes (k, G) by `share` towards the span of a model's programmes (m, G).

    A section has few spots, so the genes of its programmes are noisy; the model knows from other
    patients which genes change together.
    """
    inside = programmes @ np.linalg.pinv(of_model) @ of_model
    return ((1 - share) * programmes + share * inside).astype(np.float32)


def with_genes(network: HistoSPACEPlus, columns: NDArray[np.intp]) -> HistoSPACEPlus:
    """Return the network with some of its genes, in the order of `columns`."""
    smaller = HistoSPACEPlus(len(columns), network.n_programmes)
    state = network.state_dict()
    state["mean_profile"] = state["mean_profile"][columns]
    state["programmes"] = state["programmes"][:, columns]
    smaller.load_state_dict(state)
    return smaller.eval()
