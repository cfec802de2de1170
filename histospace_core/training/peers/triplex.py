"""TRIPLEX: fused features of a spot, its neighbourhood and its section.

Source: Chung et al. 2024, CVPR (arXiv:2403.07592). A ResNet-18 encodes the tile as 7 x 7 target
tokens; a frozen one encodes 25 neighbouring tiles as neighbour tokens and every spot of the section
as global tokens. Neighbour tokens attend to each other with a bias by relative position. Global
tokens attend to each other; a convolution over their lattice (APEG in the paper) encodes their
positions. In the fusion, the global token of a spot attends to its target tokens and to its
neighbour tokens, and the sum of both is mapped to expression. Each branch predicts expression too;
its loss is (1 - a) times the error to the truth plus a times the error to the prediction of the
fusion, with a = 0.3. Width 512; one fusion block, three global and three neighbour blocks; Adam,
rate 1e-4. The settings are those for the ST breast data.

Recipes: `offline`, the default, uses EfficientNet-lite0 with ImageNet weights as a frozen trunk of
all three branches, whose features are computed once; 60 epochs. `finetuned` uses ResNet-18, whose
ImageNet weights must be on this machine, and trains its target branch with flips and turns.
`finetuned-offline` is the same with EfficientNet-lite0.

Differences from the paper: the weights of the trunk come from ImageNet instead of histology (those
of Ciga et al. 2022 are not available offline). The 25 neighbours are one view with the width of
five tiles at a quarter of the resolution, whose map is pooled to 5 x 5: one pass of 280 x 280 px
instead of 25 tiles. `offline` does not augment tiles. The number of epochs is fixed, whereas the
paper stops early on the fold that it reports. Expression is not smoothed over neighbours, neither
in training nor in scoring. Heads start at the training mean. 25.8 M parameters with
EfficientNet-lite0 and 2052 per gene.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histospace_core.networks.encoders import load_encoder
from histospace_core.progress import OnProgress, Progress, no_progress
from histospace_core.slides.view import View
from histospace_core.training.cohort import SectionData, without_margin
from histospace_core.training.method import FittedNetwork, Method, TrainingSet
from histospace_core.training.peers.descent import (
    Training,
    TrunkRecipe,
    batch_pixels,
    fit_by_descent,
    in_batches,
    shrink,
)
from histospace_core.training.peers.spot_lattice import lattice_positions
from histospace_core.training.peers.symmetry import randomly_oriented
from histospace_core.training.peers.triplex_network import AROUND, TRIPLEX
from histospace_core.training.recipe import Recipe

_BATCH = 32


@dataclass(frozen=True)
class TRIPLEXRecipe(TrunkRecipe):
    """Settings of TRIPLEX; `finetune` trains the trunk of the target branch."""

    input_px: int = 224
    finetune: bool = False


@dataclass(frozen=True, eq=False)
class SectionTokens:
    """A section encoded by the frozen trunk.

    Attributes
    ----------
    target : Tensor (n, 49, d)
        Tokens of each spot's tile, float16.
    around : Tensor (n, 25, d)
        Tokens of each spot's neighbourhood.
    pooled : Tensor (n, d)
        Pooled features of each spot's tile.
    positions : Tensor (n, 2)
        Column and row of each spot on the section's lattice.
    """

    target: Tensor
    around: Tensor
    pooled: Tensor
    positions: Tensor


@torch.no_grad()
def encode_section(
    network: TRIPLEX,
    section: SectionData,
    input_px: int,
    on_progress: OnProgress = no_progress,
) -> SectionTokens:
    """Encode the two views of a section with the trunk."""
    device = network.head.weight.device
    tiles = shrink(section.tiles, input_px)
    wide = torch.from_numpy(without_margin(section.views[1], section.margins[1]))
    target, around, pooled = [], [], []
    for batch in torch.arange(section.n_spots).split(_BATCH):
        stage = f"encoding section {section.section.name}"
        on_progress(Progress(int(batch[0]), section.n_spots, stage))
        pixels = batch_pixels(tiles, batch, device)
        tokens = network.tokens(pixels, own=True)
        target.append(tokens.half())  # the largest array: 49 tokens for each spot
        pooled.append(tokens.mean(1) if network.own_trunk is None else network.pooled(pixels))
        around.append(network.tokens(batch_pixels(wide, batch, device), AROUND))
    positions = lattice_positions(section.centres).to(device)
    return SectionTokens(torch.cat(target), torch.cat(around), torch.cat(pooled), positions)


@dataclass(eq=False)
class FittedTRIPLEX(FittedNetwork[TRIPLEX]):
    """A trained TRIPLEX."""

    input_px: int

    @torch.no_grad()
    def predict(self, section: SectionData) -> NDArray[np.float32]:
        tokens = encode_section(self.network, section, self.input_px)
        spots = self.network.global_tokens(tokens.pooled, tokens.positions)

        def fused(batch: Tensor) -> Tensor:
            target, around = tokens.target[batch].float(), tokens.around[batch]
            return self.network(target, around, spots[batch])[0]

        return in_batches(section.n_spots, _BATCH, fused)


def prepare_triplex(
    train: TrainingSet, recipe: TRIPLEXRecipe, device: torch.device, on_progress: OnProgress
) -> Training:
    """Encode each section once with the frozen trunk, then train the branches and their fusion."""
    trunk = load_encoder(recipe.trunk, pretrained=recipe.pretrained)
    network = TRIPLEX(trunk, torch.from_numpy(train.mean_profile), recipe.finetune)
    network.to(device).eval()

    def report(event: Progress) -> None:  # before the first epoch
        note = f"{event.done} of {event.total} spots"
        on_progress(Progress(0, recipe.epochs, event.stage, note=note))

    encoded = [encode_section(network, s, recipe.input_px, report) for s in train.sections]
    truth = [torch.from_numpy(e).to(device) for e in train.expression]
    tiles = [shrink(s.tiles, recipe.input_px) for s in train.sections]

    def loss_of(batch: Tensor, generator: torch.Generator) -> Tensor:
        i, spots = int(batch[0]), batch[1:]
        if recipe.finetune:
            pixels = randomly_oriented(batch_pixels(tiles[i], spots, device), generator)
            target = network.tokens(pixels, own=True)
        else:
            target = encoded[i].target[spots].float()
        section = network.global_tokens(encoded[i].pooled, encoded[i].positions)
        predicted = network(target, encoded[i].around[spots], section[spots])
        return network.loss(predicted, truth[i][spots])

    return Training(
        network,
        torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=recipe.lr),
        loss_of,
        lambda epoch: _batches([s.n_spots for s in train.sections], recipe, epoch),
        lambda: FittedTRIPLEX(network, recipe.input_px),
    )


def _batches(sizes: Sequence[int], recipe: Recipe, epoch: int) -> list[Tensor]:
    """Return batches of one section each: its index, then its spots."""
    generator = torch.Generator().manual_seed(1_000_003 * recipe.seed + epoch)
    batches = [
        torch.cat([torch.tensor([i]), spots])
        for i, n in enumerate(sizes)
        for spots in torch.randperm(n, generator=generator).split(recipe.batch)
        if len(spots) > 1  # batch normalisation cannot use a single spot
    ]
    order = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[i] for i in order]


FROZEN = TRIPLEXRecipe(epochs=60, lr=1e-4, batch=64)
TRIPLEX_METHOD = Method(
    name="triplex",
    source="Chung et al. 2024, arXiv:2403.07592",
    views=(View(224, 0.69), View(280, 2.76)),
    recipes={
        "offline": FROZEN,
        "finetuned": FROZEN.with_(trunk="resnet18", finetune=True),
        "finetuned-offline": FROZEN.with_(finetune=True),
    },
    fit=fit_by_descent("triplex", TRIPLEXRecipe, prepare_triplex),
)
