"""Train the tuned branch of HistoSPACE+: autoencoders, then encoders and regression jointly."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from histospace_core.networks.histospace_plus import TUNED, HistoSPACEPlus
from histospace_core.progress import OnProgress, Progress, stage_progress
from histospace_core.training.arithmetic import mixed
from histospace_core.training.augment import Draw, augmented
from histospace_core.training.checkpoint import Checkpoint, training_key
from histospace_core.training.method import TrainingSet
from histospace_core.training.parallel import processes
from histospace_core.training.pretrain import pretrain, shuffled
from histospace_core.training.recipe import PlusRecipe
from histospace_core.training.step import Step

_BATCH = 128
_WARM_UP = 0.3  # share of the steps


def fit_tuned(
    network: HistoSPACEPlus,
    train: TrainingSet,
    scores: Tensor,
    recipe: PlusRecipe,
    work: Path | None,
    on_progress: OnProgress,
    start: nn.Module | None = None,
) -> None:
    """Tune encoders and regression in place.

    The encoders begin as those of autoencoders, which are trained first, or as those of `start`.
    """
    device = scores.device
    views = [torch.from_numpy(train.view(i)).to(device) for i in TUNED]
    margins = [train.sections[0].margins[i] for i in TUNED]
    weights = () if start is None else start.state_dict().values()
    key = training_key(recipe, *(t.cpu().numpy() for t in (*views, scores, *weights)))
    if start is None:
        _pretrain_encoders(network, views, margins, recipe, work, key, on_progress)
    else:
        network.encoders.load_state_dict(start.state_dict())
    _standardise(network, views, margins)
    stage = Checkpoint(work and work / "tuned.safetensors", key)
    report = stage_progress(on_progress, recipe.autoencoder_epochs, recipe.all_epochs)
    _tune(network, views, margins, scores, recipe, stage, report)
    for name in [*(f"pretrain{i}" for i in range(len(TUNED))), "tuned"]:
        Checkpoint(work and work / f"{name}.safetensors", key).clear()


def _pretrain_encoders(
    network: HistoSPACEPlus,
    views: list[Tensor],
    margins: list[int],
    recipe: PlusRecipe,
    work: Path | None,
    key: str,
    on_progress: OnProgress,
) -> None:
    """Train an autoencoder for each tuned view and keep its encoder."""
    for i, (view, margin) in enumerate(zip(views, margins, strict=True)):
        stage = Checkpoint(work and work / f"pretrain{i}.safetensors", key)
        tiles = view[:, margin : view.shape[1] - margin, margin : view.shape[2] - margin]

        # `before` is a default, because a closure would see the last `i`
        def report_autoencoder(
            event: Progress, before: int = i * recipe.autoencoder_epochs
        ) -> None:
            done = (before + event.done) // len(TUNED)  # the recipe counts one autoencoder
            on_progress(replace(event, done=done, total=recipe.all_epochs))

        autoencoder = pretrain(
            tiles.cpu().numpy(),
            recipe,
            view.device,
            stage,
            report_autoencoder,
            f"autoencoder {i + 1}",
        )
        network.encoders[i].load_state_dict(autoencoder.encoder.state_dict())


@torch.no_grad()
def _standardise(network: HistoSPACEPlus, views: list[Tensor], margins: list[int]) -> None:
    """Set centre and spread of the tuned branch from the features of the pretrained encoders."""
    network.eval()
    features = torch.cat(
        [
            network.encode_tuned(*augmented(views, margins, b, Draw.none(len(b))))
            for b in torch.arange(len(views[0])).split(_BATCH)
        ]
    )
    network.tuned.centre.copy_(features.mean(0))
    network.tuned.spread.copy_(features.std(0) + 1e-3)  # a constant feature has no spread


def _tune(
    network: HistoSPACEPlus,
    views: list[Tensor],
    margins: list[int],
    scores: Tensor,
    recipe: PlusRecipe,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> None:
    """Train encoders and regression; batch norm keeps the statistics of the pretraining."""
    tuned = [*network.encoders.parameters(), *network.tuned.parameters()]
    # a regression of zeros predicts the mean, so training starts at the baseline
    torch.nn.init.zeros_(network.tuned.linear.weight)
    torch.nn.init.zeros_(network.tuned.linear.bias)
    optimiser = torch.optim.AdamW(tuned, lr=recipe.lr, weight_decay=recipe.weight_decay)
    network.eval()
    n = len(scores)
    steps = recipe.epochs * len(shuffled(n, recipe.batch, recipe.seed, 0))

    precision = mixed(scores.device)

    def loss_of(spots: Tensor, draw: Draw, mask: Tensor, rows: slice) -> Tensor:
        part = spots[rows]
        with precision:
            features = network.encode_tuned(*augmented(views, margins, part, draw.part(rows)))
        inputs = network.tuned.standardised(features.float()) * mask[rows].to(scores.device)
        return _loss(network, inputs, scores[part.to(scores.device)])

    done = checkpoint.restore(network, optimiser)
    processes().share(network)
    step = Step(network, optimiser)
    for epoch in range(done, recipe.epochs):
        generator = torch.Generator().manual_seed(7_000_003 * recipe.seed + epoch)
        batches = shuffled(n, recipe.batch, recipe.seed, epoch)
        losses = []
        for i, spots in enumerate(batches):
            # from the step alone, so that a checkpoint needs no state of a scheduler
            _set_rate(optimiser, recipe.lr, (epoch * len(batches) + i) / steps)
            draw = Draw.random(len(spots), generator, recipe.colour)
            # dropout of the whole batch, so that it does not depend on how the batch is divided
            keep = torch.rand(len(spots), network.n_tuned, generator=generator) >= recipe.dropout
            mask = keep / (1 - recipe.dropout)  # keeps the expected value of a feature
            losses.append(step(len(spots), partial(loss_of, spots, draw, mask)))
        checkpoint.save(network, optimiser, epoch + 1)
        on_progress(step.finished_epoch("tuned branch", epoch + 1, recipe.epochs, losses))


def _loss(network: HistoSPACEPlus, features: Tensor, truth: Tensor) -> Tensor:
    """Average the squared error of the mean over the views and of each view alone.

    A regression on all views relies on combinations that hold for the training patients only; one
    that must also predict from each view alone does so less.
    """
    linear, n = network.tuned.linear, len(TUNED)
    weight = linear.weight.unflatten(1, (n, -1))
    # times n, so that the mean over the views is the regression on all of them
    alone = n * torch.einsum("bvf,kvf->vbk", features.unflatten(1, (n, -1)), weight) + linear.bias
    together = mse_loss(alone.mean(0), truth)
    return (mse_loss(alone, truth.expand_as(alone)) + together) / 2


def _set_rate(optimiser: torch.optim.Optimizer, highest: float, done: float) -> None:
    """Set the one-cycle learning rate: a cosine up over the first 30 % of steps, then down to 0."""
    if done < _WARM_UP:
        # from 1/25 of the peak, as in OneCycleLR
        share = 0.04 + 0.96 * (1 - math.cos(math.pi * done / _WARM_UP)) / 2
    else:
        share = (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2
    for group in optimiser.param_groups:
        group["lr"] = highest * share
