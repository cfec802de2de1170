"""The baseline that uses no image: the mean training profile at every spot."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histospace_core.training.cohort import SectionData
from histospace_core.training.method import FitContext, Method, TrainingSet
from histospace_core.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class MeanProfile:
    """Predicts `profile` (panel,) everywhere."""

    profile: NDArray[np.float32]
    n_parameters: int = 0

    def predict(self, section: SectionData) -> NDArray[np.float32]:
        return np.tile(self.profile, (section.n_spots, 1))


def fit_mean_profile(
    train: TrainingSet,
    recipe: Recipe,
    context: FitContext,
) -> MeanProfile:
    """Average the training spots."""
    return MeanProfile(train.mean_profile)


MEAN_PROFILE = Method(
    name="mean-profile",
    source="no image: the mean of the training spots",
    views=(),
    recipes={"default": Recipe()},
    fit=fit_mean_profile,
)
