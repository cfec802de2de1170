"""Refuse a measured section that a model cannot be adapted to."""

import numpy as np
from anndata import AnnData

from histospace_core.errors import MeasurementError, ModelError
from histospace_core.evaluation import HeldOut
from histospace_core.networks import ModelPackage
from histospace_core.networks.histospace_plus import HistoSPACEPlus
from histospace_core.slides.content import slide_sha256
from histospace_core.training.adapt_blocks import mean_within_blocks
from histospace_core.training.adapt_fit import AdaptPanels
from histospace_core.training.cohort import Section
from histospace_core.training.cohort_check import check_spots
from histospace_core.training.section_facts import section_facts

MIN_SPOTS = 50
"""With fewer, a held-out block has fewer than 13 spots."""
MIN_SHARED = 0.5
"""Smallest share of the model's genes that the section must count."""
MAX_SHIFT = 0.5
"""Largest root mean square difference over genes between the mean profiles of section and model,
log10 units. It is 0.15 to 0.31 between two of the eight patients of her2st (29 sections)."""


def require_adaptable(model: ModelPackage) -> None:
    """Refuse a model of another network than HistoSPACE+, or with another trunk than its own.

    Raises
    ------
    ModelError
    """
    if model.config["network"] != "histospace-plus":
        raise ModelError(
            f"'{model.name}' is a model of the network {model.config['network']}, and only a "
            "HistoSPACE+ model can be adapted; choose a model of the network histospace-plus."
        )
    if model.config["arguments"].get("trunk"):
        raise ModelError(
            f"'{model.name}' has another trunk than EfficientNet-lite0, and such a model cannot be "
            "adapted; choose one that was trained without --trunk."
        )


def require_placed(section: Section, model: ModelPackage) -> None:
    """Refuse a section whose files do not fit each other, or that the model knows already.

    Raises
    ------
    HistospaceError
        The files cannot be read.
    MeasurementError
        The spots do not lie on the tissue, there are too few, or the model was trained on the
        slide.
    """
    facts = section_facts(section)
    errors = [f.message for f in check_spots(section.name, facts) if f.severity == "error"]
    if errors:
        raise MeasurementError(errors[0])
    if facts.n_spots < MIN_SPOTS:
        raise MeasurementError(
            f"Section '{section.name}' has {facts.n_spots} spots, and at least {MIN_SPOTS} are "
            "needed to adapt a model; give a section with more spots."
        )
    image = slide_sha256(section.image)
    if image in {s.get("image_sha256") for s in model.config.get("training_sections", [])}:
        raise MeasurementError(
            f"The model '{model.name}' was trained on the slide of section '{section.name}'; adapt "
            "it to a section that it does not know."
        )


def require_same_biology(
    section: Section, measured: AnnData, panels: AdaptPanels, network: HistoSPACEPlus, unit: str
) -> None:
    """Refuse a section with other genes, or another level of expression, than the model's.

    Raises
    ------
    MeasurementError
    """
    n_shared = network.n_genes - panels.n_not_counted
    if n_shared < MIN_SHARED * network.n_genes:
        raise MeasurementError(
            f"Section '{section.name}' counts {n_shared:,} of the model's {network.n_genes:,} "
            "genes: it is of another species or gene panel, or names its genes otherwise; give a "
            "section with the model's genes."
        )
    profile = panels.model.expression(measured, unit).mean(0)
    difference = profile - network.mean_profile.numpy()[panels.columns]
    shift = float(np.sqrt(np.mean(difference**2)))
    if not shift <= MAX_SHIFT:
        raise MeasurementError(
            f"The mean expression in section '{section.name}' differs from the model's by "
            f"{shift:.2f} (root mean square over genes, {unit}), and at most {MAX_SHIFT} is "
            "accepted, because patients of one tissue differ by 0.15 to 0.31; check that it has "
            "raw counts of the tissue that the model is for."
        )


def require_skill(section: Section, held: list[HeldOut]) -> None:
    """Refuse an adaptation whose held-out blocks do not correlate with the measurement.

    Raises
    ------
    MeasurementError
    """
    low, high = mean_within_blocks(held)
    if not low > 0:
        raise MeasurementError(
            f"In held-out blocks of section '{section.name}', the adapted model does not correlate "
            f"with the measurement (99 % interval of the mean r {low:.2f} to {high:.2f}): they do "
            "not fit each other, so check that slide and measurement are of one section."
        )
