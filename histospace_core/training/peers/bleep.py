"""BLEEP: image and expression in a common space; prediction by looking up similar spots.

Source: Xie et al. 2023, NeurIPS (arXiv:2306.01859). A ResNet-50 with ImageNet weights on tiles of
224 x 224 px and the expression profile itself are each projected to 256 dimensions (linear, GELU,
linear, dropout 0.1, residual, layer norm). The contrastive loss has soft targets: the mean of the
similarities between images and between profiles, at temperature 1. AdamW, rate 1e-3, weight decay
1e-3, batch 512, 150 epochs, flips and quarter turns. The prediction of a tile is the mean
expression of the 50 training spots whose expression embeddings are nearest to its image embedding.

Recipes: `published` is as above and needs the ImageNet weights of ResNet-50 on this machine;
`random` is the same from random weights; `offline`, the default, uses EfficientNet-lite0 with its
ImageNet weights, tiles averaged to 112 px, batch 128 and 40 epochs, because a contrastive batch
has to fit in memory, and in 150 epochs the network memorises a small cohort.

Differences from the paper, in all recipes: all genes of the panel instead of the highly variable
ones; no Harmony batch correction between sections. The parameters, 3.8 M with EfficientNet-lite0
and 256 per gene, do not include the expression profiles stored for the look-up.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from histospace_core.networks.encoders import load_encoder, to_input
from histospace_core.progress import OnProgress
from histospace_core.slides.view import View
from histospace_core.training.cohort import SectionData
from histospace_core.training.method import FittedNetwork, Method, TrainingSet
from histospace_core.training.peers.descent import (
    Training,
    TrunkRecipe,
    batch_pixels,
    fit_by_descent,
    in_batches,
    shrink,
    shrunk_tiles,
    spot_batches,
)
from histospace_core.training.peers.symmetry import randomly_oriented

DIMENSIONS = 256
TEMPERATURE = 1.0
WEIGHT_DECAY = 1e-3
DROPOUT = 0.1
_BATCH = 64


@dataclass(frozen=True)
class BLEEPRecipe(TrunkRecipe):
    """Settings of BLEEP; `neighbours` training spots are averaged into a prediction."""

    neighbours: int = 50


class Projection(nn.Module):
    """Features (n, f) to the common space (n, 256)."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_features, DIMENSIONS)
        self.second = nn.Linear(DIMENSIONS, DIMENSIONS)
        self.dropout = nn.Dropout(DROPOUT)
        self.norm = nn.LayerNorm(DIMENSIONS)

    def forward(self, features: Tensor) -> Tensor:
        projected = self.first(features)
        return self.norm(projected + self.dropout(self.second(gelu(projected))))


class BLEEP(nn.Module):
    """An image encoder and an expression encoder with a common space."""

    def __init__(self, trunk: nn.Module, n_genes: int) -> None:
        super().__init__()
        self.trunk = trunk
        with torch.no_grad():
            n_features = trunk(torch.zeros(1, 3, 64, 64)).shape[1]
        self.of_image = Projection(n_features)
        self.of_expression = Projection(n_genes)

    def image(self, pixels: Tensor) -> Tensor:
        """Embed pixels (n, 3, s, s) in [0, 1] to (n, 256)."""
        return self.of_image(self.trunk(to_input(self.trunk, pixels)))

    def loss(self, pixels: Tensor, expression: Tensor) -> Tensor:
        """Return the contrastive loss of tiles and their expression (n, G)."""
        image, profile = self.image(pixels), self.of_expression(expression)
        alike = (image @ image.T + profile @ profile.T) / 2
        target = (alike / TEMPERATURE).softmax(-1)  # not detached, as in the published code
        logits = profile @ image.T / TEMPERATURE
        of_profiles = -(target * logits.log_softmax(-1)).sum(1)
        of_images = -(target.T * logits.T.log_softmax(-1)).sum(1)
        return (of_profiles + of_images).mean() / 2


@dataclass(eq=False)
class FittedBLEEP(FittedNetwork[BLEEP]):
    """A trained BLEEP and its training spots for the look-up: embeddings (m, 256), truth (m, G)."""

    embedded: Tensor
    truth: Tensor
    input_px: int
    neighbours: int

    def to(self, device: torch.device) -> Self:
        super().to(device)
        self.embedded, self.truth = self.embedded.to(device), self.truth.to(device)
        return self

    @torch.no_grad()
    def predict(self, section: SectionData) -> NDArray[np.float32]:
        tiles = shrink(section.tiles, self.input_px)
        k = min(self.neighbours, len(self.truth))  # a small cohort may have fewer

        def mean_of_nearest(batch: Tensor) -> Tensor:
            image = self.network.image(batch_pixels(tiles, batch, self.truth.device))
            nearest = (normalize(image) @ self.embedded.T).topk(k).indices
            return self.truth[nearest].mean(1)

        return in_batches(len(tiles), _BATCH, mean_of_nearest)


def prepare_bleep(
    train: TrainingSet, recipe: BLEEPRecipe, device: torch.device, on_progress: OnProgress
) -> Training:
    """Train both encoders, then embed the training spots."""
    trunk = load_encoder(recipe.trunk, pretrained=recipe.pretrained)
    network = BLEEP(trunk, len(train.panel)).to(device)
    tiles = shrunk_tiles(train, recipe.input_px)
    truth = torch.from_numpy(train.targets).to(device)

    def loss_of(batch: Tensor, generator: torch.Generator) -> Tensor:
        pixels = randomly_oriented(batch_pixels(tiles, batch, device), generator)
        return network.loss(pixels, truth[batch.to(device)])

    @torch.no_grad()
    def fitted() -> FittedBLEEP:
        embedded = normalize(network.of_expression(truth))
        return FittedBLEEP(network, embedded, truth, recipe.input_px, recipe.neighbours)

    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=WEIGHT_DECAY)
    return Training(network, optimiser, loss_of, spot_batches(train, recipe), fitted)


OFFLINE = BLEEPRecipe(epochs=40, lr=1e-3, batch=128)
PUBLISHED = OFFLINE.with_(trunk="torchvision/resnet50", input_px=224, epochs=150, batch=512)
BLEEP_METHOD = Method(
    name="bleep",
    source="Xie et al. 2023, arXiv:2306.01859",
    views=(View(224, 0.69),),
    recipes={
        "offline": OFFLINE,
        "published": PUBLISHED,
        "random": PUBLISHED.with_(pretrained=False),
    },
    fit=fit_by_descent("bleep", BLEEPRecipe, prepare_bleep),
)
