"""HisToGene: a transformer over all spots of a section at once.

Source: Pang, Su & Li 2021, bioRxiv doi:10.1101/2021.11.28.470212. Each spot's patch of 112 x 112 px
is flattened and projected to 1024 features, and learned embeddings of its column and row are
added. Eight layers of attention over the spots of the section follow, with 16 heads, a perceptron
of 2048 and dropout 0.1; then layer norm and a linear layer to the genes. Squared error, Adam of
rate 1e-5, one section per step, 100 epochs. The published recipe is the default, because it needs
no pretrained weights. 106 M parameters and 1025 per gene.

Differences from the paper: the bias of the head starts at the training mean, which it does not
reach otherwise with few sections; patches are flipped and turned, but not colour-jittered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from histospace_core.networks import to_pixels
from histospace_core.networks.attention import Block
from histospace_core.progress import OnProgress
from histospace_core.slides.view import View
from histospace_core.training.cohort import SectionData
from histospace_core.training.method import FittedNetwork, Method, TrainingSet
from histospace_core.training.peers.descent import (
    Training,
    fit_by_descent,
)
from histospace_core.training.peers.spot_lattice import lattice_positions
from histospace_core.training.peers.symmetry import randomly_oriented
from histospace_core.training.recipe import Recipe

PATCH_PX = 112
HEADS = 16
DROPOUT = 0.1
PLACES = 64
"""Smallest number of columns and rows with an embedding; larger training sections increase it."""


@dataclass(frozen=True)
class HisToGeneRecipe(Recipe):
    """Settings of HisToGene: the transformer's width and depth."""

    width: int = 1024
    layers: int = 8


class HisToGene(nn.Module):
    """Predicts the expression of all patches of a section together.

    Parameters
    ----------
    mean
        Mean training expression (G,), where the head starts.
    places
        Number of columns and rows with an embedding.
    """

    def __init__(self, recipe: HisToGeneRecipe, mean: Tensor, places: int) -> None:
        super().__init__()
        width = recipe.width
        self.patch = nn.Linear(3 * PATCH_PX**2, width)
        self.column, self.row = nn.Embedding(places, width), nn.Embedding(places, width)
        self.blocks = nn.ModuleList(
            Block(width, HEADS, 2 * width, DROPOUT) for _ in range(recipe.layers)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, len(mean))
        self.head.bias.data.copy_(mean)

    def forward(self, pixels: Tensor, positions: Tensor) -> Tensor:
        """Predict (n, G) from pixels (n, 3, 112, 112) in [0, 1] at lattice positions (n, 2)."""
        # a held-out section may be larger
        place = positions.clamp(max=self.column.num_embeddings - 1)
        x = self.patch(pixels.flatten(1)) + self.column(place[:, 0]) + self.row(place[:, 1])
        x = x[None]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[0]))


@dataclass(eq=False)
class FittedHisToGene(FittedNetwork[HisToGene]):
    """A trained HisToGene."""

    @torch.no_grad()
    def predict(self, section: SectionData) -> NDArray[np.float32]:
        device = self.network.patch.weight.device
        pixels = to_pixels(torch.from_numpy(section.tiles).to(device))
        return self.network(pixels, lattice_positions(section.centres).to(device)).cpu().numpy()


def prepare_histogene(
    train: TrainingSet, recipe: HisToGeneRecipe, device: torch.device, on_progress: OnProgress
) -> Training:
    """Prepare a training with one section per step."""
    positions = [lattice_positions(s.centres).to(device) for s in train.sections]
    places = max([PLACES, *(int(p.max()) + 1 for p in positions)])
    network = HisToGene(recipe, torch.from_numpy(train.mean_profile), places).to(device)
    tiles = [torch.from_numpy(s.tiles) for s in train.sections]
    truth = [torch.from_numpy(e).to(device) for e in train.expression]

    def loss_of(section: Tensor, generator: torch.Generator) -> Tensor:
        i = int(section)
        pixels = randomly_oriented(to_pixels(tiles[i].to(device)), generator)
        return mse_loss(network(pixels, positions[i]), truth[i])

    def batches(epoch: int) -> Sequence[Tensor]:
        generator = torch.Generator().manual_seed(1_000_003 * recipe.seed + epoch)
        return torch.randperm(len(tiles), generator=generator).split(1)

    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.lr)
    return Training(network, optimiser, loss_of, batches, lambda: FittedHisToGene(network))


HISTOGENE = Method(
    name="histogene",
    source="Pang, Su & Li 2021, doi:10.1101/2021.11.28.470212",
    views=(View(PATCH_PX, 0.69),),
    recipes={"published": HisToGeneRecipe(epochs=100, lr=1e-5)},
    fit=fit_by_descent("histogene", HisToGeneRecipe, prepare_histogene),
)
