"""The training loop that the peers share; a network supplies its loss and its batches."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histospace_core.networks import to_pixels
from histospace_core.networks.encoders import OFFLINE_ENCODER
from histospace_core.progress import OnProgress, Progress
from histospace_core.training.checkpoint import Checkpoint
from histospace_core.training.method import Fit, FitContext, Fitted, TrainingSet
from histospace_core.training.pretrain import shuffled
from histospace_core.training.recipe import Recipe

_CHECKPOINT_EVERY = 10
R = TypeVar("R", bound=Recipe)


@dataclass(frozen=True)
class TrunkRecipe(Recipe):
    """Settings of a network whose trunk is an image encoder.

    Attributes
    ----------
    trunk
        Name of the encoder, as `load_encoder` takes it.
    pretrained
        False starts the trunk from random weights.
    input_px
        Side, in px, to which tiles are reduced by averaging pixels; the field of view is unchanged.
    """

    trunk: str = OFFLINE_ENCODER
    pretrained: bool = True
    input_px: int = 112


@dataclass(frozen=True)
class Training:
    """The parts of a training that are specific to a network.

    Attributes
    ----------
    loss_of
        Returns the loss of a batch of indices; draws augmentations from the generator.
    batches
        Returns the batches of an epoch.
    fitted
        Returns the trained network; called after the last epoch, in evaluation mode.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    loss_of: Callable[[Tensor, torch.Generator], Tensor]
    batches: Callable[[int], Iterable[Tensor]]
    fitted: Callable[[], Fitted]


def fit_by_descent(
    name: str,
    recipe_type: type[R],
    prepare: Callable[[TrainingSet, R, torch.device, OnProgress], Training],
) -> Fit:
    """Return the `Fit` of a network that is trained epoch by epoch.

    Parameters
    ----------
    name
        Name of its checkpoint.
    recipe_type
        Kind of recipe that `prepare` takes.
    prepare
        Builds the network and returns the parts of its training.
    """

    def fit(
        train: TrainingSet,
        recipe: Recipe,
        context: FitContext,
    ) -> Fitted:
        if not isinstance(recipe, recipe_type):
            raise TypeError(f"{name} needs a {recipe_type.__name__}, not {recipe!r}")
        training = prepare(train, recipe, context.device, context.on_progress)
        checkpoint = _checkpoint(name, train, recipe, context.work)
        _descend(training, recipe, checkpoint, context.on_progress)
        return training.fitted()

    return fit


def spot_batches(train: TrainingSet, recipe: Recipe) -> Callable[[int], list[Tensor]]:
    """Return the batches of an epoch: all training spots, shuffled."""
    return lambda epoch: shuffled(len(train.targets), recipe.batch, recipe.seed, epoch)


def in_batches(n: int, size: int, predict: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
    """Predict n spots, `size` at a time; `predict` takes the indices of a batch."""
    return torch.cat([predict(batch).cpu() for batch in torch.arange(n).split(size)]).numpy()


def shrunk_tiles(train: TrainingSet, px: int) -> Tensor:
    """Return tiles (n, px, px, 3) of all training spots, uint8."""
    return torch.cat([shrink(s.tiles, px) for s in train.sections])


def shrink(tiles: NDArray[np.uint8], px: int) -> Tensor:
    """Reduce tiles (n, s, s, 3) to (n, px, px, 3), uint8, by averaging blocks of pixels."""
    n, side = tiles.shape[:2]
    if side == px:
        return torch.from_numpy(tiles)
    if side % px:
        raise ValueError(f"{side} px cannot be averaged to {px} px")
    factor = side // px
    blocks = torch.from_numpy(tiles).unflatten(1, (px, factor)).unflatten(3, (px, factor))
    # in parts, because floats take four times the memory of uint8
    small = [part.float().mean((2, 4)).round().to(torch.uint8) for part in blocks.split(256)]
    return torch.cat(small) if n else torch.empty(0, px, px, 3, dtype=torch.uint8)


def batch_pixels(tiles: Tensor, batch: Tensor, device: torch.device) -> Tensor:
    """Return pixels (b, 3, s, s) in [0, 1] of a batch of tiles, on the device."""
    return to_pixels(tiles[batch].to(device))


def _descend(
    training: Training, recipe: Recipe, checkpoint: Checkpoint, on_progress: OnProgress
) -> None:
    """Train in place and leave the network in evaluation mode.

    Random numbers of an epoch depend on (seed, epoch) alone, so an interrupted training that
    resumes from its checkpoint ends with the same weights.
    """
    network, optimiser = training.network, training.optimiser
    for epoch in range(checkpoint.restore(network, optimiser), recipe.epochs):
        network.train()
        state = 1_000_003 * recipe.seed + epoch
        torch.manual_seed(state)  # for dropout
        generator = torch.Generator().manual_seed(state)
        losses = []
        for batch in training.batches(epoch):
            loss = training.loss_of(batch, generator)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        if (epoch + 1) % _CHECKPOINT_EVERY == 0:
            checkpoint.save(network, optimiser, epoch + 1)
        done, mean = epoch + 1, float(torch.stack(losses).mean())
        on_progress(Progress(done, recipe.all_epochs, "network", epoch=done, loss=mean))
    checkpoint.clear()
    network.eval()


def _checkpoint(name: str, train: TrainingSet, recipe: Recipe, work: Path | None) -> Checkpoint:
    """Return the checkpoint of this training, with a key of its recipe and data."""
    known = {"recipe": recipe.to_dict(), "sections": [s.section.name for s in train.sections]}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    digest.update(train.targets.tobytes())
    return Checkpoint(work and work / f"{name}.safetensors", digest.hexdigest())
