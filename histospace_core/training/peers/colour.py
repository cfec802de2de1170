"""Prediction from colour alone: statistics of optical density at three scales, and a ridge.

This is a baseline of this project without a paper. A network that is not better has learnt only
how dark, how pink and how uneven the tissue is. The features of each of three views (128 px at
0.69, 1.38 and 2.76 um/px, or 88, 177 and 353 um) are the mean, standard deviation and five
percentiles of the optical density of red, green and blue, and the three correlations between the
channels. These 72 features are standardised; the penalty of the ridge is chosen by leaving out
training sections.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histospace_core.progress import Progress
from histospace_core.slides.view import View
from histospace_core.training.cohort import SectionData, without_margin
from histospace_core.training.method import FitContext, Method, TrainingSet
from histospace_core.training.peers.ridge import RidgeMap, fit_ridge
from histospace_core.training.recipe import Recipe

PERCENTILES = (5, 25, 50, 75, 95)
_DENSITY = -np.log10((np.arange(256, dtype=np.float32) + 1) / 256)  # black has no finite density
_BATCH = 256


@dataclass(frozen=True, eq=False)
class ColourRidge:
    """A ridge on colour statistics."""

    ridge: RidgeMap

    @property
    def n_parameters(self) -> int:
        return self.ridge.n_parameters

    def predict(self, section: SectionData) -> NDArray[np.float32]:
        return self.ridge.predict(colour_statistics(section))


def colour_statistics(section: SectionData) -> NDArray[np.float32]:
    """Return statistics of the optical density of each spot's views, (spots, 24 x views)."""
    views = [without_margin(v, m) for v, m in zip(section.views, section.margins, strict=True)]
    return np.concatenate([_statistics(v) for v in views], axis=1)


def _statistics(view: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return statistics (n, 24) of one view (n, s, s, 3)."""
    parts = []
    for start in range(0, len(view), _BATCH):
        pixels = view[start : start + _BATCH]
        density = _DENSITY[pixels.reshape(len(pixels), -1, 3)]
        # in single precision, sums of thousands of equal pixels drift
        mean = density.mean(1, dtype=np.float64).astype(np.float32)
        sd = density.std(1, dtype=np.float64).astype(np.float32)
        z = (density - mean[:, None]) / np.maximum(sd, 1e-6)[:, None]  # a uniform tile has sd 0
        related = [(z[..., a] * z[..., b]).mean(1) for a, b in ((0, 1), (0, 2), (1, 2))]
        quantiles = np.percentile(density, PERCENTILES, axis=1)
        parts.append(np.column_stack([mean, sd, *quantiles, *related]))
    return np.concatenate(parts).astype(np.float32)


def fit_colour(
    train: TrainingSet,
    recipe: Recipe,
    context: FitContext,
) -> ColourRidge:
    """Fit the ridge on the training spots."""
    features = []
    for i, section in enumerate(train.sections):
        context.on_progress(Progress(i, len(train.sections), f"colour of {section.section.name}"))
        features.append(colour_statistics(section))
    sizes = [s.n_spots for s in train.sections]
    return ColourRidge(fit_ridge(np.concatenate(features), train.targets, sizes))


COLOUR = Method(
    name="colour",
    source="baseline: optical-density statistics at three scales, ridge",
    views=(View(128, 0.69), View(128, 1.38), View(128, 2.76)),
    recipes={"default": Recipe()},
    fit=fit_colour,
)
