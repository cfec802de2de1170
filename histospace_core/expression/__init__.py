"""Measured spatial transcriptomics: readers, gene names, normalisation, alignment."""

from histospace_core.expression.measured import read_measured
from histospace_core.expression.normalise import NORMALISATIONS, normalise

__all__ = ["NORMALISATIONS", "normalise", "read_measured"]
