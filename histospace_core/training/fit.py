"""Train the published network: the autoencoder, then the head on the frozen encoder."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from histospace_core.errors import CohortError
from histospace_core.networks import (
    TILE_PX,
    UM_PER_PX,
    Domain,
    HistoSPACE,
    to_pixels,
)
from histospace_core.progress import OnProgress, stage_progress
from histospace_core.slides.view import View
from histospace_core.training.checkpoint import Checkpoint, training_key
from histospace_core.training.cohort import SectionData
from histospace_core.training.method import FitContext, FittedNetwork, Method, TrainingSet
from histospace_core.training.panel import Panel
from histospace_core.training.parallel import processes
from histospace_core.training.pretrain import pretrain, shuffled
from histospace_core.training.recipe import (
    MENDED,
    PUBLISHED,
    HistoSPACERecipe,
    Recipe,
)
from histospace_core.training.step import Step

_CHECKPOINT_EVERY = 10  # epochs of the head are short, because the frozen encoder runs once


@dataclass(eq=False)
class Trained(FittedNetwork[HistoSPACE]):
    """A trained network with its domain."""

    domain: Domain
    n_spots: int
    best_epoch: int

    @property
    def arguments(self) -> dict[str, Any]:
        return {"n_genes": self.network.n_genes, "input_range": self.network.input_range}

    def predict(self, section: SectionData) -> NDArray[np.float32]:
        """Expression of the panel at each spot, (spots, panel)."""
        pixels = torch.from_numpy(section.tiles).to(self.network.mean_profile.device)
        return predict_tiles(self.network, pixels).cpu().numpy()

    @torch.no_grad()
    def domain_scores(self, section: SectionData) -> NDArray[np.float32]:
        """Domain score of each spot, (spots,)."""
        pixels = torch.from_numpy(section.tiles).to(self.network.mean_profile.device)
        return self.domain.score(_pooled_features(self.network, pixels))


def fit_histospace(
    train: TrainingSet,
    recipe: Recipe,
    context: FitContext,
) -> Trained:
    """Train both stages; the held-out sections are used only if `Mends` switches a fault on."""
    if not isinstance(recipe, HistoSPACERecipe):
        raise TypeError(f"the published network needs a HistoSPACERecipe, not {recipe!r}")
    panel, device, work = train.panel, context.device, context.work
    tiles, targets = gather(train.sections, panel, recipe)
    key = training_key(recipe, tiles, targets)
    stage = [Checkpoint(work and work / f"{name}.safetensors", key) for name in ("pretrain", "fit")]
    report = stage_progress(context.on_progress, 0, recipe.all_epochs)
    autoencoder = pretrain(tiles, recipe, device, stage[0], report)

    torch.manual_seed(recipe.seed)
    network = HistoSPACE(len(panel), recipe.mends.input_range)
    network.encoder.load_state_dict(autoencoder.encoder.state_dict())
    network.encoder.requires_grad_(False)
    network.mean_profile.copy_(torch.from_numpy(targets.mean(0)))
    network.to(device)
    pixels = torch.from_numpy(tiles).to(device)
    truth = torch.from_numpy(targets).to(device)
    inner, outer = _split(recipe, train.sections, panel, context.test, pixels, truth)
    report = stage_progress(context.on_progress, recipe.autoencoder_epochs, recipe.all_epochs)
    best_epoch = _fit_head(network, inner, outer, recipe, stage[1], report)
    network.eval()
    for checkpoint in stage:  # only now: until the head is trained, resuming needs both stages
        checkpoint.clear()
    domain = Domain.fit(_pooled_features(network, pixels))
    return Trained(network.cpu(), domain, len(tiles), best_epoch)


def gather(
    sections: Sequence[SectionData], panel: Panel, recipe: HistoSPACERecipe
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the training spots of all sections: tiles (n, s, s, 3) and expression (n, G)."""
    tiles, values = [], []
    for section in sections:
        used = _used_spots(section, panel, recipe)
        tiles.append(section.tiles[used])
        values.append(panel.expression(section.measured, recipe.expression_unit)[used])
    if sum(map(len, tiles)) < 2:
        raise CohortError("Fewer than two training spots can be used; add sections.")
    return np.concatenate(tiles), np.concatenate(values)


def _used_spots(section: SectionData, panel: Panel, recipe: HistoSPACERecipe) -> NDArray[np.bool_]:
    if recipe.mends.all_spots:
        return np.ones(section.n_spots, bool)
    return panel.deep_spots(section.measured)


@dataclass(frozen=True)
class _Spots:
    """Tiles (n, s, s, 3) and expression (n, G) on the device."""

    pixels: Tensor
    truth: Tensor


def _split(
    recipe: HistoSPACERecipe,
    train: Sequence[SectionData],
    panel: Panel,
    test: Sequence[SectionData],
    pixels: Tensor,
    truth: Tensor,
) -> tuple[_Spots, _Spots | None]:
    """Return the spots to train on, and the spots that choose the epoch if the recipe does so."""
    everything = _Spots(pixels, truth)
    if recipe.mends.checkpoint == "last":
        return everything, None
    if recipe.mends.checkpoint == "test":
        tiles, targets = gather(test, panel, recipe)
        device = pixels.device
        return everything, _Spots(
            torch.from_numpy(tiles).to(device), torch.from_numpy(targets).to(device)
        )
    # inner split: the last of several training sections, or a fifth of a single one
    n = len(pixels)
    last = int(_used_spots(train[-1], panel, recipe).sum()) if len(train) > 1 else n // 5
    return _Spots(pixels[:-last], truth[:-last]), _Spots(pixels[-last:], truth[-last:])


def _fit_head(
    network: HistoSPACE,
    train: _Spots,
    held: _Spots | None,
    recipe: HistoSPACERecipe,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> int:
    """Train the head in place; return the number (from 1) of the epoch whose weights it has."""
    frozen = recipe.mends.freeze_batchnorm
    features = _features(network, train.pixels) if frozen else None
    optimiser = torch.optim.Adam(network.head.parameters(), lr=recipe.lr, fused=True)
    best, best_epoch, best_state = float("inf"), recipe.epochs, None
    # a checkpoint lacks the best weights so far, so a training that chooses an epoch starts again
    start = checkpoint.restore(network, optimiser) if held is None else 0
    processes().share(network)
    step = Step(network, optimiser)

    def loss_of(batch: Tensor, rows: slice) -> Tensor:
        spots = batch[rows].to(train.truth.device)
        inputs = _encode(network, train.pixels[spots]) if features is None else features[spots]
        # on a CPU, converting to bf16 costs more than this small head gains
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=inputs.is_cuda):
            predicted = network.decode(inputs)
        # bf16 is too coarse for small squared errors
        return mse_loss(predicted.float(), train.truth[spots])

    for epoch in range(start, recipe.epochs):
        network.train()  # `predict_tiles` leaves the network in evaluation mode
        network.encoder.train(not frozen)  # the line above has switched on its batch norm
        losses = [
            step(len(batch), partial(loss_of, batch))
            for batch in shuffled(len(train.truth), recipe.batch, recipe.seed, epoch)
        ]
        event = step.finished_epoch("predictor", epoch + 1, recipe.epochs, losses)
        if held is not None:
            error = float(mse_loss(predict_tiles(network, held.pixels), held.truth))
            event = replace(event, held_out_loss=error)
            if error < best:
                # a copy, because the next step changes the weights of a state dict in place
                best, best_epoch, best_state = error, epoch + 1, deepcopy(network.state_dict())
        elif (epoch + 1) % _CHECKPOINT_EVERY == 0:
            checkpoint.save(network, optimiser, epoch + 1)
        on_progress(event)
    if best_state is not None:
        network.load_state_dict(best_state)
    return best_epoch


@torch.no_grad()
def predict_tiles(network: HistoSPACE, pixels: Tensor, batch: int = 64) -> Tensor:
    """Predict expression (n, G) of uint8 tiles (n, s, s, 3) on the network's device."""
    network.eval()
    return torch.cat([network(to_pixels(part)) for part in pixels.split(batch)])


@torch.no_grad()
def _encode(network: HistoSPACE, pixels: Tensor) -> Tensor:
    return network.encode(to_pixels(pixels))


def _features(network: HistoSPACE, pixels: Tensor) -> Tensor:
    """Return features of every tile (n, 128, 16, 16), computed once: the encoder is frozen."""
    network.eval()
    return torch.cat([_encode(network, part) for part in pixels.split(64)])


def _pooled_features(network: HistoSPACE, pixels: Tensor) -> NDArray[np.float32]:
    pooled = [network.pool(_encode(network, part)) for part in pixels.split(64)]
    return torch.cat(pooled).cpu().numpy()


HISTOSPACE = Method(
    name="histospace",
    source="Kumar & Chatterjee 2024, doi:10.1016/j.ymeth.2024.11.002",
    views=(View(TILE_PX, UM_PER_PX),),
    recipes={"mended": MENDED, "published": PUBLISHED},
    fit=fit_histospace,
)
