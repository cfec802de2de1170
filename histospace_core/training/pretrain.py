"""Train the autoencoder on tiles, without expression."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import mse_loss

from histospace_core.networks.autoencoder import Autoencoder, to_pixels
from histospace_core.progress import OnProgress
from histospace_core.training.arithmetic import mixed
from histospace_core.training.checkpoint import Checkpoint
from histospace_core.training.parallel import processes
from histospace_core.training.recipe import Autoencoding
from histospace_core.training.step import Step


def pretrain(
    tiles: NDArray[np.uint8],
    recipe: Autoencoding,
    device: torch.device,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
    name: str = "autoencoder",
) -> Autoencoder:
    """Train an autoencoder for `recipe.autoencoder_epochs` epochs with Adam on squared error.

    Parameters
    ----------
    tiles : uint8 (n, s, s, 3)
        Copied to the device once.
    on_progress
        Called after each epoch with its loss.
    name
        Name of the stage in the progress.
    """
    torch.manual_seed(recipe.seed)
    network = Autoencoder(recipe.input_range).to(device)
    network.to(memory_format=torch.channels_last)  # the layout in which convolutions are fastest
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.autoencoder_lr)
    data = torch.from_numpy(tiles).to(device)

    precision = mixed(device)

    def loss_of(batch: torch.Tensor, rows: slice) -> torch.Tensor:
        with precision:
            rebuilt, target = network(to_pixels(data[batch[rows].to(device)]))
            return mse_loss(rebuilt.float(), target)  # bf16 is too coarse for small squared errors

    done = checkpoint.restore(network, optimiser)
    processes().share(network)
    step = Step(network, optimiser)
    for epoch in range(done, recipe.autoencoder_epochs):
        network.train()
        losses = [
            step(len(batch), partial(loss_of, batch))
            for batch in shuffled(len(data), recipe.autoencoder_batch, recipe.seed, epoch)
        ]
        checkpoint.save(network, optimiser, epoch + 1)
        on_progress(step.finished_epoch(name, epoch + 1, recipe.autoencoder_epochs, losses))
    return network.eval()


def shuffled(n: int, batch: int, seed: int, epoch: int) -> list[torch.Tensor]:
    """Return indices 0..n-1 in batches, in an order that depends on (seed, epoch) alone.

    A last batch of one is dropped, because batch normalisation cannot use it.
    """
    # a factor above any number of epochs, so that two seeds never share an epoch's order
    generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    return [b for b in torch.randperm(n, generator=generator).split(batch) if len(b) > 1]
