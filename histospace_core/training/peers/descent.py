"""What the trained peers share: their recipe's common part, batches, and the descent itself."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histospace_core.networks import n_parameters, to_pixels
from histospace_core.networks.encoders import OFFLINE
from histospace_core.progress import OnProgress, Progress
from histospace_core.training.checkpoint import Checkpoint
from histospace_core.training.method import TrainingSet
from histospace_core.training.recipe import Recipe

_CHECKPOINT_EVERY = 10
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class TrunkRecipe(Recipe):
    """Settings of a network whose trunk is a known image encoder.

    Attributes
    ----------
    trunk
        A name that `load_encoder` knows.
    pretrained
        False starts the trunk from random weights.
    input_px
        Side that tiles are shrunk to by averaging whole pixels; the field of view stays.
    """

    trunk: str = OFFLINE
    pretrained: bool = True
    input_px: int = 112


@dataclass(eq=False)
class FittedNetwork(Generic[N]):
    """A trained network that can be moved to a device."""

    network: N

    @property
    def n_parameters(self) -> int:
        return n_parameters(self.network)

    def to(self, device: torch.device) -> Self:
        self.network.to(device)
        return self


def shrink(tiles: NDArray[np.uint8], px: int) -> Tensor:
    """Average tiles (n, s, s, 3) over whole pixels to (n, px, px, 3), uint8."""
    n, side = tiles.shape[:2]
    if side == px:
        return torch.from_numpy(tiles)
    if side % px:
        raise ValueError(f"{side} px cannot be averaged to {px} px")
    factor = side // px
    blocks = torch.from_numpy(tiles).unflatten(1, (px, factor)).unflatten(3, (px, factor))
    # by parts: the whole in floats takes four times the memory
    small = [part.float().mean((2, 4)).round().to(torch.uint8) for part in blocks.split(256)]
    return torch.cat(small) if n else torch.empty(0, px, px, 3, dtype=torch.uint8)


def picked(tiles: Tensor, batch: Tensor, device: torch.device) -> Tensor:
    """Pixels (b, 3, s, s) in [0, 1] of some tiles, on the device."""
    return to_pixels(tiles[batch].to(device))


def descend(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss_of: Callable[[Tensor, torch.Generator], Tensor],
    batches: Callable[[int], Iterable[Tensor]],
    recipe: Recipe,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> None:
    """Train in place, epoch after epoch, and leave the network in evaluation mode.

    Parameters
    ----------
    loss_of
        Loss of a batch of indices; its generator draws augmentations.
    batches
        The batches of an epoch.

    Notes
    -----
    All that is random in an epoch depends on (seed, epoch) alone, so a training that was stopped
    goes on from its checkpoint to the same weights.
    """
    for epoch in range(checkpoint.restore(network, optimiser), recipe.epochs):
        network.train()
        state = 1_000_003 * recipe.seed + epoch
        torch.manual_seed(state)  # for dropout
        generator = torch.Generator().manual_seed(state)
        losses = []
        for batch in batches(epoch):
            loss = loss_of(batch, generator)
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


def checkpoint_of(name: str, train: TrainingSet, recipe: Recipe, work: Path | None) -> Checkpoint:
    """Return the checkpoint of this training, which another's never is taken for."""
    known = {"recipe": recipe.to_dict(), "sections": [s.section.name for s in train.sections]}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    digest.update(train.targets.tobytes())
    return Checkpoint(work and work / f"{name}.safetensors", digest.hexdigest())
