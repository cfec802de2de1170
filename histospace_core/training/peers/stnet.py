"""ST-Net: a DenseNet-121 that is fine-tuned to predict expression from one tile.

Source: He et al. 2020, Nature Biomedical Engineering 4:827, doi:10.1038/s41551-020-0578-x. The
network takes a tile of 224 x 224 px around each spot and starts from ImageNet weights. A linear
layer replaces the classifier; its weights start at zero, its bias at the training mean. Squared
error, SGD of rate 1e-6 and momentum 0.9, batch 32, 50 epochs, random flips and quarter turns. The
prediction is averaged over the eight symmetries of a tile. 7.0 M parameters of the trunk and 1025
per gene.

Recipes: `published` is as above and needs the ImageNet weights of DenseNet-121 on this machine;
`random` is the same from random weights; `offline`, the default, uses EfficientNet-lite0 (3.4 M
parameters, 1281 per gene) with its ImageNet weights and tiles averaged to 112 px.

Differences from the paper, in all recipes: all genes of the panel instead of 250; expression in the
unit of this project; the squared error is summed over genes and averaged over the batch, which the
paper does not specify.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

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
from histospace_core.training.peers.symmetry import N_SYMMETRIES, randomly_oriented, symmetric

MOMENTUM = 0.9
_BATCH = 32


class STNet(nn.Module):
    """Predicts expression (n, G) from pixels (n, 3, s, s) in [0, 1].

    Parameters
    ----------
    trunk
        Encoder, as `load_encoder` returns it.
    mean
        Mean training expression (G,), the initial bias of the head.
    """

    def __init__(self, trunk: nn.Module, mean: Tensor) -> None:
        super().__init__()
        self.trunk = trunk
        with torch.no_grad():
            n_features = trunk(torch.zeros(1, 3, 64, 64)).shape[1]
        self.head = nn.Linear(n_features, len(mean))
        nn.init.zeros_(self.head.weight)
        self.head.bias.data.copy_(mean)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.trunk(to_input(self.trunk, pixels)))


@dataclass(eq=False)
class FittedSTNet(FittedNetwork[STNet]):
    """A trained ST-Net."""

    input_px: int

    @torch.no_grad()
    def predict(self, section: SectionData) -> NDArray[np.float32]:
        tiles = shrink(section.tiles, self.input_px)
        device = self.network.head.weight.device

        def mean_over_symmetries(batch: Tensor) -> Tensor:
            pixels = batch_pixels(tiles, batch, device)
            each = [self.network(symmetric(pixels, k)) for k in range(N_SYMMETRIES)]
            return torch.stack(each).mean(0)

        return in_batches(len(tiles), _BATCH, mean_over_symmetries)


def prepare_stnet(
    train: TrainingSet, recipe: TrunkRecipe, device: torch.device, on_progress: OnProgress
) -> Training:
    """Prepare a training of all layers on the training spots."""
    trunk = load_encoder(recipe.trunk, pretrained=recipe.pretrained)
    network = STNet(trunk, torch.from_numpy(train.mean_profile)).to(device)
    tiles = shrunk_tiles(train, recipe.input_px)
    truth = torch.from_numpy(train.targets).to(device)

    def loss_of(batch: Tensor, generator: torch.Generator) -> Tensor:
        pixels = randomly_oriented(batch_pixels(tiles, batch, device), generator)
        return (network(pixels) - truth[batch.to(device)]).square().sum(1).mean()

    return Training(
        network,
        torch.optim.SGD(network.parameters(), lr=recipe.lr, momentum=MOMENTUM),
        loss_of,
        spot_batches(train, recipe),
        lambda: FittedSTNet(network, recipe.input_px),
    )


OFFLINE = TrunkRecipe(epochs=50, lr=1e-6, batch=32)
PUBLISHED = OFFLINE.with_(trunk="torchvision/densenet121", input_px=224)
STNET = Method(
    name="stnet",
    source="He et al. 2020, doi:10.1038/s41551-020-0578-x",
    views=(View(224, 0.69),),
    recipes={
        "offline": OFFLINE,
        "published": PUBLISHED,
        "random": PUBLISHED.with_(pretrained=False),
    },
    fit=fit_by_descent("stnet", TrunkRecipe, prepare_stnet),
)
