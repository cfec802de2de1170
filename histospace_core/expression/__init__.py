"""Measured spatial transcriptomics: readers, gene names, normalisation, alignment."""

from histospace_core.expression.align import Alignment, check_alignment
from histospace_core.expression.choice import Choice
from histospace_core.expression.genes import reconcile_genes
from histospace_core.expression.measured import read_measured
from histospace_core.expression.normalise import NORMALISATIONS, normalise
from histospace_core.expression.panel import PanelMatch, map_to_panel
from histospace_core.expression.placement import Placement

__all__ = [
    "NORMALISATIONS",
    "Alignment",
    "Choice",
    "PanelMatch",
    "Placement",
    "check_alignment",
    "map_to_panel",
    "normalise",
    "read_measured",
    "reconcile_genes",
]
