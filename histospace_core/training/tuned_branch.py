"""The tuned branch of HistoSPACE+: autoencoders first, then encoders and regression together."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from histospace_core.networks.histospace_plus import TUNED, HistoSPACEPlus
from histospace_core.progress import OnProgress, Progress
from histospace_core.training.augment import Draw, augmented
from histospace_core.training.checkpoint import Checkpoint, training_key
from histospace_core.training.method import TrainingSet
from histospace_core.training.parallel import processes
from histospace_core.training.pretrain import pretrain, shuffled
from histospace_core.training.recipe import PlusRecipe
from histospace_core.training.step import Step

_BATCH = 128
_WARM_UP = 0.3


def fit_tuned(
    network: HistoSPACEPlus,
    train: TrainingSet,
    scores: Tensor,
    recipe: PlusRecipe,
    work: Path | None,
    on_progress: OnProgress,
) -> None:
    """Pretrain an autoencoder for each tuned view, then tune encoders and regression in place."""
    device = scores.device
    views = [torch.from_numpy(train.view(i)).to(device) for i in TUNED]
    margins = [train.sections[0].margins[i] for i in TUNED]
    key = training_key(recipe, *(t.cpu().numpy() for t in (*views, scores)))
    for i, (view, margin) in enumerate(zip(views, margins, strict=True)):
        stage = Checkpoint(work and work / f"pretrain{i}.safetensors", key)
        tiles = view[:, margin : view.shape[1] - margin, margin : view.shape[2] - margin]

        def report(event: Progress, before: int = i * recipe.autoencoder_epochs) -> None:
            on_progress(replace(event, done=(before + event.done) // len(TUNED)))

        autoencoder = pretrain(
            tiles.cpu().numpy(), recipe, device, stage, report, f"autoencoder {i + 1}"
        )
        network.encoders[i].load_state_dict(autoencoder.encoder.state_dict())
    _standardise(network, views, margins)
    stage = Checkpoint(work and work / "tuned.safetensors", key)
    _tune(network, views, margins, scores, recipe, stage, on_progress)
    for name in [*(f"pretrain{i}" for i in range(len(TUNED))), "tuned"]:
        Checkpoint(work and work / f"{name}.safetensors", key).clear()


@torch.no_grad()
def _standardise(network: HistoSPACEPlus, views: list[Tensor], margins: list[int]) -> None:
    """Centre and scale the tuned branch's features as the autoencoders left them."""
    network.eval()
    features = torch.cat(
        [
            network.encode_tuned(*augmented(views, margins, b, Draw.none(len(b))))
            for b in torch.arange(len(views[0])).split(_BATCH)
        ]
    )
    network.tuned.centre.copy_(features.mean(0))
    network.tuned.spread.copy_(features.std(0) + 1e-3)


def _tune(
    network: HistoSPACEPlus,
    views: list[Tensor],
    margins: list[int],
    scores: Tensor,
    recipe: PlusRecipe,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> None:
    """Train encoders and regression; batch statistics stay those of the pretraining."""
    tuned = [*network.encoders.parameters(), *network.tuned.parameters()]
    torch.nn.init.zeros_(network.tuned.linear.weight)
    torch.nn.init.zeros_(network.tuned.linear.bias)
    optimiser = torch.optim.AdamW(tuned, lr=recipe.lr, weight_decay=recipe.weight_decay)
    network.eval()
    n = len(scores)
    steps = recipe.epochs * len(shuffled(n, recipe.batch, recipe.seed, 0))

    def loss_of(spots: Tensor, draw: Draw, mask: Tensor, rows: slice) -> Tensor:
        mine = spots[rows]
        with torch.autocast(scores.device.type, torch.bfloat16):
            features = network.encode_tuned(*augmented(views, margins, mine, draw.part(rows)))
        seen = network.tuned.standardised(features.float()) * mask[rows].to(scores.device)
        return _loss(network, seen, scores[mine.to(scores.device)])

    done = checkpoint.restore(network, optimiser)
    processes().share(network)
    step = Step(network, optimiser)
    for epoch in range(done, recipe.epochs):
        generator = torch.Generator().manual_seed(7_000_003 * recipe.seed + epoch)
        batches = shuffled(n, recipe.batch, recipe.seed, epoch)
        losses = []
        for i, spots in enumerate(batches):
            _set_rate(optimiser, recipe.lr, (epoch * len(batches) + i) / steps)
            draw = Draw.random(len(spots), generator, recipe.colour)
            keep = torch.rand(len(spots), network.n_tuned, generator=generator) >= recipe.dropout
            mask = keep / (1 - recipe.dropout)
            losses.append(step(len(spots), partial(loss_of, spots, draw, mask)))
        checkpoint.save(network, optimiser, epoch + 1)
        on_progress(
            Progress(
                recipe.autoencoder_epochs + epoch + 1,
                recipe.all_epochs,
                "tuned branch",
                epoch=epoch + 1,
                loss=float(torch.stack(losses).mean()),
                note=step.note,
            )
        )


def _loss(network: HistoSPACEPlus, seen: Tensor, truth: Tensor) -> Tensor:
    """Squared error of the mean over the views, and of what each view says on its own.

    A regression on all views at once leans on what only the training patients have in common; one
    that has to do with each view alone does so less.
    """
    linear, n = network.tuned.linear, len(TUNED)
    weight = linear.weight.unflatten(1, (n, -1))
    alone = n * torch.einsum("bvf,kvf->vbk", seen.unflatten(1, (n, -1)), weight) + linear.bias
    together = mse_loss(alone.mean(0), truth)
    return (mse_loss(alone, truth.expand_as(alone)) + together) / 2


def _set_rate(optimiser: torch.optim.Optimizer, highest: float, done: float) -> None:
    """One cycle: up as a cosine over the first 30 % of the steps, then down to nothing."""
    if done < _WARM_UP:
        share = 0.04 + 0.96 * (1 - math.cos(math.pi * done / _WARM_UP)) / 2
    else:
        share = (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2
    for group in optimiser.param_groups:
        group["lr"] = highest * share
