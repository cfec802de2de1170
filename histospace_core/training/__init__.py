"""Training: cohorts, networks and their training, cross-validation, model packages."""

from histospace_core.training.adapt import adapt_model
from histospace_core.training.build import train_from_cohort
from histospace_core.training.cohort import Section, SectionData, load_sections, read_cohort
from histospace_core.training.cross_validate import evaluate_cohort
from histospace_core.training.fit import Trained, fit_histospace
from histospace_core.training.folds import Fold, make_folds
from histospace_core.training.foreign_features import with_trunk
from histospace_core.training.method import Method, TrainingSet
from histospace_core.training.panel import Panel, select_panel
from histospace_core.training.recipe import MENDED, PUBLISHED, HistoSPACERecipe, Mends, Recipe
from histospace_core.training.registry import TRAINABLE, method_named

__all__ = [
    "MENDED",
    "PUBLISHED",
    "TRAINABLE",
    "Fold",
    "HistoSPACERecipe",
    "Mends",
    "Method",
    "Panel",
    "Recipe",
    "Section",
    "SectionData",
    "Trained",
    "TrainingSet",
    "adapt_model",
    "evaluate_cohort",
    "fit_histospace",
    "load_sections",
    "make_folds",
    "method_named",
    "read_cohort",
    "select_panel",
    "train_from_cohort",
    "with_trunk",
]
