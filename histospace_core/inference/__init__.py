"""Prediction of whole slides, and the store it is kept in."""

from histospace_core.inference.predict import RunSummary, predict_slide
from histospace_core.inference.prediction import Prediction, open_prediction
from histospace_core.inference.provenance import OUTSIDE_DOMAIN, RESEARCH_USE

__all__ = [
    "OUTSIDE_DOMAIN",
    "RESEARCH_USE",
    "Prediction",
    "RunSummary",
    "open_prediction",
    "predict_slide",
]
