"""A small textured H&E-like slide for tests: two pieces of tissue on glass."""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

MPP = 0.69


def make_slide(path: Path, side: int = 1400, seed: int = 0) -> Path:
    """Write a PNG (no pixel size inside: give `MPP`)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    tissue = ((x - 0.45) ** 2 + (y - 0.5) ** 2 < 0.12)[..., None]
    nuclei = ndimage.gaussian_filter(rng.normal(size=(side, side)), 3)[..., None] > 0.12
    eosin, nucleus = np.array([225, 150, 190]), np.array([95, 60, 140])
    grain = rng.normal(0, 8, (side, side, 1))
    image = np.where(tissue, np.where(nuclei, nucleus, eosin) + grain, 244)
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(path)
    return path


def make_two_series(path: Path, side: int = 1400, profile: bytes | None = None) -> Path:
    """Write an OME-TIFF of two series, "left" and "right", of 0.5 um/px; "right" is smaller."""
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for name, seed, cut in (("left", 0, 0), ("right", 1, 100)):
            picture = make_slide(path.with_suffix(".part.png"), side - cut, seed)
            pixels = np.asarray(Image.open(picture))
            picture.unlink()
            size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
            metadata = {"axes": "YXS", "Name": name, **size}
            look = {"tile": (256, 256), "photometric": "rgb", "iccprofile": profile}
            tiff.write(pixels, metadata=metadata, **look)
    return path
