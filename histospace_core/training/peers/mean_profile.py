"""The baseline that uses no image: the mean training profile at every spot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from histospace_core.progress import OnProgress, no_progress
from histospace_core.training.cohort import SectionData
from histospace_core.training.method import Method, TrainingSet
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
    device: torch.device,
    *,
    test: Sequence[SectionData] = (),
    work: Path | None = None,
    on_progress: OnProgress = no_progress,
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
