"""Small sections as files, slide and legacy counts, that can be trained on in seconds."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from builders.slide_files import make_slide

GENES = ("ERBB2", "COL1A1", "CD74", "KRT19", "ACTB", "GAPDH", "VIM", "EPCAM", "FN1", "B2M")
STEP_PX = 145  # 100 um at `slidefiles.MPP`


class SectionFiles(NamedTuple):
    """A section as its user has it."""

    image: Path
    counts: Path
    spots: Path


def make_section_files(folder: Path, name: str, seed: int, side: int = 1400) -> SectionFiles:
    """Write a slide (PNG without a pixel size) with spots on its tissue and counts at them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    image = make_slide(folder / f"{name}.png", side=side, seed=seed)
    columns, rows = np.meshgrid(np.arange(1, side // STEP_PX), np.arange(1, side // STEP_PX))
    x, y = columns.ravel() * STEP_PX, rows.ravel() * STEP_PX
    inside = (x / side - 0.45) ** 2 + (y / side - 0.5) ** 2 < 0.09
    array_x, array_y, x, y = (a[inside] for a in (columns.ravel(), rows.ravel(), x, y))
    spots = pd.DataFrame(
        {
            "x": array_x, "y": array_y, "new_x": array_x, "new_y": array_y,
            "pixel_x": x, "pixel_y": y, "selected": 1,
        }
    )  # fmt: skip
    rates = 4 + 20 * rng.random(len(GENES)) * (x[:, None] / side)
    index = [f"{a}x{b}" for a, b in zip(array_x, array_y, strict=True)]
    counts = pd.DataFrame(rng.poisson(rates), index=index, columns=GENES)
    files = SectionFiles(image, folder / f"{name}-counts.tsv", folder / f"{name}-spots.tsv")
    counts.to_csv(files.counts, sep="\t")
    spots.to_csv(files.spots, sep="\t", index=False)
    return files
