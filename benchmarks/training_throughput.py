"""Training throughput: the published loop beside ours, on the same spots in one run.

Published: a JPEG file a tile, read by PIL in a DataLoader with two workers, frozen encoder and head
in eager fp32, batch 32. Ours: tiles cut from the slide once and kept on the device, the frozen
encoder run once, the head on its features (`training/fit.py`). Both train the same head on the same
encoder; ours counts the one pass of the encoder over a whole training, since it is paid once.

    python benchmarks/training_throughput.py COHORT.csv [--epochs 50] [--repeats 3]
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, Dataset

from histospace_core.networks import HistoSPACE
from histospace_core.training import TrainingSet, load_sections, read_cohort
from histospace_core.training.fit import HISTOSPACE, _features
from histospace_core.training.pretrain import shuffled


class JpegTiles(Dataset[tuple[Tensor, Tensor]]):
    """One JPEG a tile, as the published pipeline keeps them."""

    def __init__(self, folder: Path, tiles: Tensor, targets: Tensor) -> None:
        self.files = [folder / f"{i}.jpg" for i in range(len(tiles))]
        self.targets = targets
        for file, tile in zip(self.files, tiles.numpy(), strict=True):
            Image.fromarray(tile).save(file, quality=90)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        with Image.open(self.files[i]) as image:
            pixels = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
        return pixels.reshape(128, 128, 3).permute(2, 0, 1).float() / 255, self.targets[i]


def published_epoch(network: HistoSPACE, loader: DataLoader[tuple[Tensor, Tensor]]) -> float:
    """Seconds of one epoch of the published loop."""
    optimiser = torch.optim.Adam(network.head.parameters(), lr=1e-4)
    started = time.perf_counter()
    for pixels, truth in loader:
        with torch.no_grad():
            features = network.encode(pixels)
        _step(network, features, truth, optimiser)
    return time.perf_counter() - started


def our_training(network: HistoSPACE, tiles: Tensor, targets: Tensor, epochs: int) -> float:
    """Seconds of one epoch of ours, the encoder's single pass shared among `epochs`."""
    optimiser = torch.optim.Adam(network.head.parameters(), lr=1e-4)
    started = time.perf_counter()
    features = _features(network, tiles)
    network.head.train()
    once = time.perf_counter() - started
    started = time.perf_counter()
    for rows in shuffled(len(tiles), 32, 0, 0):
        _step(network, features[rows], targets[rows], optimiser)
    return time.perf_counter() - started + once / epochs


def _step(
    network: HistoSPACE, features: Tensor, truth: Tensor, optimiser: torch.optim.Optimizer
) -> None:
    loss = mse_loss(network.decode(features), truth)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--epochs", type=int, default=50, help="length of a whole training")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    sections = load_sections(read_cohort(asked.cohort), HISTOSPACE.views)
    train = TrainingSet.of(list(sections.values()), HISTOSPACE.recipe())
    tiles, targets = torch.from_numpy(train.view(0)), torch.from_numpy(train.targets)
    network = HistoSPACE(len(train.panel)).train()
    network.encoder.eval().requires_grad_(False)
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        data = JpegTiles(Path(folder), tiles, targets)
        loader = DataLoader(data, batch_size=32, shuffle=True, num_workers=2)
        for _ in range(asked.repeats):  # interleaved: the machine's mood hits both
            theirs.append(published_epoch(network, loader))
            ours.append(our_training(network, tiles, targets, asked.epochs))
    n = len(tiles)
    print(f"{n} spots, {len(train.panel):,} genes, {torch.get_num_threads()} threads, CPU")
    print(f"published loop  {n / median(theirs):8.0f} spots/s")
    print(f"ours            {n / median(ours):8.0f} spots/s")
    print(f"ratio of medians {median(theirs) / median(ours):.1f}x, {asked.repeats} repeats")


if __name__ == "__main__":
    main()
