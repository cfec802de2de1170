"""A frozen image encoder, principal components and a ridge: the protocol of HEST-Benchmark.

Source: Jaume et al. 2024, HEST-1k (NeurIPS, arXiv:2406.16192). The pooled features of a view of
112 x 112 um at 224 px (0.5 um/px) are standardised and reduced to 256 principal components, on
which a ridge is fitted. The encoder is not trained; its parameters and those of the ridge count.

Recipes: `hest` uses the penalty of the protocol, 100 / (components x genes). With 256 components
and 50 genes on tens of thousands of spots it is close to none; here, with more genes and some
hundred spots, the regression fits noise. `chosen`, the default, uses the penalty with the smallest
error on left-out training sections. `symmetric` does so with features averaged over the eight
symmetries of a tile, at eight times the cost.

Differences from the protocol: a mean is fitted (the protocol has no intercept, although its centred
features need one); all genes of the panel instead of 50; correlations within a section instead of
over pooled spots.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histospace_core.networks import n_parameters, to_pixels
from histospace_core.networks.encoders import load_encoder, to_input
from histospace_core.progress import OnProgress, Progress, no_progress, stage_progress
from histospace_core.slides.view import View
from histospace_core.training.cohort import SectionData
from histospace_core.training.method import Fit, FitContext, Method, TrainingSet
from histospace_core.training.peers.ridge import RidgeMap, fit_ridge
from histospace_core.training.peers.symmetry import symmetric
from histospace_core.training.recipe import Recipe

PREFIX = "encoder:"
N_COMPONENTS = 256  # as in the HEST-Benchmark
_BATCH = 32


@dataclass(frozen=True)
class EncoderRecipe(Recipe):
    """Settings of the frozen encoder and its ridge.

    Attributes
    ----------
    symmetries
        Number of symmetries of a tile over which features are averaged, 1 to 8.
    penalty
        "chosen": by the error on left-out training sections; "hest": as in the protocol.
    """

    symmetries: int = 1
    penalty: str = "chosen"
    pretrained: bool = True


@dataclass(eq=False)
class EncoderRidge:
    """A frozen encoder and a ridge on its features."""

    encoder: nn.Module
    ridge: RidgeMap
    symmetries: int

    @property
    def n_parameters(self) -> int:
        return n_parameters(self.encoder) + self.ridge.n_parameters

    def to(self, device: torch.device) -> "EncoderRidge":
        self.encoder.to(device)
        return self

    def predict(self, section: SectionData) -> NDArray[np.float32]:
        return self.ridge.predict(encode(self.encoder, section.tiles, self.symmetries))


@torch.no_grad()
def encode(
    encoder: nn.Module,
    tiles: NDArray[np.uint8],
    symmetries: int = 1,
    on_progress: OnProgress = no_progress,
) -> NDArray[np.float32]:
    """Return pooled features (n, d) of tiles (n, s, s, 3), averaged over symmetries."""
    device = next(encoder.parameters()).device
    features = []
    for start in range(0, len(tiles), _BATCH):
        on_progress(Progress(start, len(tiles), "encoding training tiles"))
        pixels = to_pixels(torch.from_numpy(tiles[start : start + _BATCH]).to(device))
        each = [encoder(to_input(encoder, symmetric(pixels, k))) for k in range(symmetries)]
        features.append(torch.stack(each).mean(0).cpu().numpy())
    return np.concatenate(features)


def fit_encoder_ridge(name: str) -> Fit:
    """Return the `Fit` that fits a ridge on the features of this encoder."""

    def fit(
        train: TrainingSet,
        recipe: Recipe,
        context: FitContext,
    ) -> EncoderRidge:
        if not isinstance(recipe, EncoderRecipe):
            raise TypeError(f"an encoder needs an EncoderRecipe, not {recipe!r}")
        encoder = load_encoder(name, pretrained=recipe.pretrained).requires_grad_(False)
        encoder.to(context.device)
        sizes = [s.n_spots for s in train.sections]
        features = []
        for i, section in enumerate(train.sections):
            report = stage_progress(context.on_progress, sum(sizes[:i]), sum(sizes))
            features.append(encode(encoder, section.tiles, recipe.symmetries, report))
        context.on_progress(Progress(sum(sizes), sum(sizes), "fitting the ridge"))
        # as many as `fit_ridge` uses
        components = min(N_COMPONENTS, features[0].shape[1], sum(sizes) - 1)
        # the fixed penalty of the HEST-Benchmark
        penalty = 100 / (components * len(train.panel)) if recipe.penalty == "hest" else None
        ridge = fit_ridge(
            np.concatenate(features),
            train.targets,
            sizes,
            n_components=N_COMPONENTS,
            penalty=penalty,
        )
        return EncoderRidge(encoder, ridge, recipe.symmetries)

    return fit


def encoder_method(name: str) -> Method:
    """Return the method `encoder:<name>`, with a name that `load_encoder` takes."""
    return Method(
        name=f"{PREFIX}{name}",
        source="Jaume et al. 2024 (HEST-Benchmark), arXiv:2406.16192",
        views=(View(224, 0.5),),
        recipes={
            "chosen": EncoderRecipe(),
            "hest": EncoderRecipe(penalty="hest"),
            "symmetric": EncoderRecipe(symmetries=8),
        },
        fit=fit_encoder_ridge(name),
    )
