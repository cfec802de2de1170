"""Compare the throughput of our training loop with one that reads JPEG tiles, on the same spots.

The published loop reads one JPEG file for each tile with PIL and a DataLoader with two workers, and
runs the frozen encoder and the head in eager fp32, batch 32. Our loop keeps tiles on the device,
runs the frozen encoder once and trains the head on its features. The time before its first epoch
(the encoder's pass and its preparation) is spread over the epochs of a training.

`--network histospace-plus` compares an epoch of its tuned branch with the same network and
arithmetic, fed from one JPEG file for each view. The epochs of both loops alternate; speeds are
medians.

    python benchmarks/training_throughput.py COHORT.csv [--network N] [--epochs 50] [--repeats 5]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, Dataset

from histospace_core.networks import HistoSPACE
from histospace_core.networks.histospace_plus import TUNED, HistoSPACEPlus
from histospace_core.training import (
    HistoSPACERecipe,
    TrainingSet,
    fit_histospace,
    method_named,
    read_cohort,
)
from histospace_core.training.augment import Draw, augmented
from histospace_core.training.method import FitContext
from histospace_core.training.recipe import PlusRecipe
from histospace_core.training.tuned_branch import fit_tuned

CPU = torch.device("cpu")
Batches = DataLoader[tuple[Tensor, ...]]


class JpegViews(Dataset[tuple[Tensor, ...]]):
    """One JPEG for each spot and view, as in the published pipeline, and the spot's target."""

    def __init__(self, folder: Path, views: list[np.ndarray], truth: Tensor) -> None:
        self.files = [
            [folder / f"{i}-{k}.jpg" for k in range(len(views))] for i in range(len(truth))
        ]
        self.truth = truth
        for i, files in enumerate(self.files):
            for file, view in zip(files, views, strict=True):
                Image.fromarray(view[i]).save(file, quality=90)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[Tensor, ...]:
        views = []
        for file in self.files[i]:
            with Image.open(file) as image:
                views.append(torch.from_numpy(np.array(image.convert("RGB"))))
        return (*views, self.truth[i])


class Alternating:
    """Runs an epoch of another loop after each of ours; call it at the end of our epoch."""

    def __init__(self, other: Callable[[], None]) -> None:
        self.other = other
        self.ours: list[float] = []
        self.theirs: list[float] = []
        self._started = time.perf_counter()

    def __call__(self, *_: object) -> None:
        ended = time.perf_counter()
        self.ours.append(ended - self._started)
        self.other()
        self._started = time.perf_counter()
        self.theirs.append(self._started - ended)

    def seconds(self, epochs: int) -> tuple[float, float]:
        """Return median seconds of an epoch of ours, with its share of preparation, and theirs."""
        first, *later = self.ours
        epoch = median(later)
        return epoch + max(0.0, first - epoch) / epochs, median(self.theirs[1:])


def published(train: TrainingSet, batches: Batches, repeats: int) -> Alternating:
    """Time the head of the published network."""
    network = HistoSPACE(len(train.panel)).train()
    network.encoder.eval().requires_grad_(False)
    optimiser = torch.optim.Adam(network.head.parameters(), lr=1e-4)

    def epoch() -> None:
        for tiles, truth in batches:
            with torch.no_grad():
                features = network.encode(tiles.permute(0, 3, 1, 2).float() / 255)
            _step(mse_loss(network.decode(features), truth), optimiser)

    clock = Alternating(epoch)
    recipe = HistoSPACERecipe(autoencoder_epochs=0, epochs=repeats + 1)
    fit_histospace(train, recipe, FitContext(CPU, on_progress=clock))
    return clock


def plus(train: TrainingSet, scores: Tensor, batches: Batches, repeats: int) -> Alternating:
    """Time the tuned branch of HistoSPACE+."""
    recipe = PlusRecipe(autoencoder_epochs=0, epochs=repeats + 1)
    network = HistoSPACEPlus(len(train.panel), scores.shape[1]).eval()
    margins = [train.sections[0].margins[i] for i in TUNED]
    generator = torch.Generator().manual_seed(0)
    tuned = [*network.encoders.parameters(), *network.tuned.parameters()]
    optimiser = torch.optim.AdamW(tuned, lr=recipe.lr)

    def epoch() -> None:
        for *views, truth in batches:
            draw = Draw.random(len(truth), generator, recipe.colour)
            with torch.autocast("cpu", torch.bfloat16):
                pixels = augmented(views, margins, torch.arange(len(truth)), draw)
                features = network.encode_tuned(*pixels)
            _step(mse_loss(network.tuned(features.float()), truth), optimiser)

    clock = Alternating(epoch)
    ours = HistoSPACEPlus(len(train.panel), scores.shape[1])
    fit_tuned(ours, train, scores, recipe, None, clock)
    return clock


def _step(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohort", type=Path)
    parser.add_argument(
        "--network", choices=["histospace", "histospace-plus"], default="histospace"
    )
    parser.add_argument("--epochs", type=int, default=50, help="length of a whole training")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    method = method_named(asked.network)
    sections = method.load(read_cohort(asked.cohort))
    train = TrainingSet.of(list(sections.values()), method.recipe())
    n = len(train.targets)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.network == "histospace":
            data = JpegViews(folder, [train.view(0)], torch.from_numpy(train.targets))
            clock = published(train, _batches(data), asked.repeats)
        else:
            scores = torch.randn(n, method.recipe().to_dict()["n_programmes"])
            data = JpegViews(folder, [train.view(i) for i in TUNED], scores)
            clock = plus(train, scores, _batches(data), asked.repeats)
    ours, theirs = clock.seconds(asked.epochs)
    print(
        f"{asked.network}: {n} spots, {len(train.panel):,} genes, {torch.get_num_threads()} threads"
    )
    print(f"from JPEG files  {n / theirs:8.0f} spots/s")
    print(f"ours             {n / ours:8.0f} spots/s")
    print(f"ratio of medians {theirs / ours:.1f}x, {asked.repeats} repeats")


def _batches(data: JpegViews) -> Batches:
    return DataLoader(data, batch_size=32, shuffle=True, num_workers=2)


if __name__ == "__main__":
    main()
