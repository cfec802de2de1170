"""A measured section, as files, whose expression can be read off its image."""

from pathlib import Path

import numpy as np
import pandas as pd
from builders.packages import make_package
from builders.sections import GENES, STEP_PX, SectionFiles
from PIL import Image

from histospace_core.expression import normalise, read_measured
from histospace_core.networks import ModelPackage


def make_visible_section(folder: Path, name: str, seed: int = 0, lattice: int = 10) -> SectionFiles:
    """Write a slide whose dark tissue has much of the first genes, pale tissue of the last."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    side = (lattice + 3) * STEP_PX
    # at random, so that all parts of the section have both, and wide views tell little; two spots
    # wide, because patches see beyond a tile
    cell = (np.arange(side) + STEP_PX // 2) // (2 * STEP_PX)
    dark = (rng.random((lattice + 4, lattice + 4)) < 0.5)[cell[:, None], cell]
    image = np.where(dark[..., None], (110, 70, 150), (220, 150, 190)) + rng.normal(
        0, 12, (side, side, 3)
    )
    border = STEP_PX
    image[:border], image[-border:], image[:, :border], image[:, -border:] = 244, 244, 244, 244
    array = np.stack(np.meshgrid(np.arange(lattice), np.arange(lattice)), -1).reshape(-1, 2) + 2
    x, y = array.T * STEP_PX
    table = {"x": array[:, 0], "y": array[:, 1], "new_x": array[:, 0], "new_y": array[:, 1]}
    spots = pd.DataFrame({**table, "pixel_x": x, "pixel_y": y, "selected": 1})
    first = np.arange(len(GENES)) < len(GENES) // 2
    rates = np.where(dark[y, x][:, None] == first, 60.0, 6.0)
    counts = pd.DataFrame(rng.poisson(rates), [f"{a}x{b}" for a, b in array], columns=GENES)
    files = SectionFiles(
        folder / f"{name}.png", folder / f"{name}-counts.tsv", folder / f"{name}-spots.tsv"
    )
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(files.image)
    counts.to_csv(files.counts, sep="\t")
    spots.to_csv(files.spots, sep="\t", index=False)
    return files


def make_model_for(folder: Path, files: SectionFiles, name: str = "before") -> ModelPackage:
    """Save an untrained HistoSPACE+ that expects the mean expression of a section."""
    measured = read_measured(files.counts, files.spots)
    level = normalise(measured, "log10_cp10k", genes=list(GENES)).mean(0)
    return make_package(folder, name, GENES, plus=True, profile=level, pretrained=True)
