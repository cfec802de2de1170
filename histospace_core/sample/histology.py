"""Layout of a procedural section: smooth random fields, with nothing learnt from tissue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

REGIONS = ("tumour", "stroma", "immune", "fat")
COARSE = 8  # level-0 px per pixel of the layout
Field = NDArray[np.floating]


@dataclass(frozen=True)
class Histology:
    """Tissue and regions of the section, at 1/COARSE of the image's resolution.

    Attributes
    ----------
    tissue : bool (h, w).
    flow : float32 (h, w), a phase whose contour lines are the bundles of collagen.
    regions : region -> float32 (h, w) share of that region in a pixel, 0 off tissue.
    size : (width, height) of the image in level-0 pixels.
    """

    tissue: NDArray[np.bool_]
    flow: Field
    regions: dict[str, Field]
    size: tuple[int, int]


def noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Field:
    """Return a smooth random field (h, w) with mean 0 and standard deviation 1."""
    step = max(1, int(scale / 3))  # to save time, a smooth field is drawn small and enlarged
    small = rng.standard_normal((shape[0] // step + 8, shape[1] // step + 8), dtype=np.float32)
    smooth = gaussian_filter(small, scale / step)[4:-4, 4:-4]  # the filter mirrors at its border
    image = Image.fromarray(smooth).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    field = np.asarray(image)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def sigmoid(field: Field, sharpness: float) -> Field:
    """Return the logistic function of a scaled field; clipping prevents overflow."""
    return 1 / (1 + np.exp(-np.clip(sharpness * field, -30, 30)))


def lay_out(rng: np.random.Generator, size: tuple[int, int]) -> Histology:
    """Return a random layout of tissue, tumour, immune cells and fat; the rest is stroma."""
    shape = (size[1] // COARSE, size[0] // COARSE)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
    radius = np.hypot(x * 0.97 + 0.10 * y, y * 0.99 - 0.08 * x)
    outline = 0.91 - radius + 0.06 * noise(rng, shape, 60) + 0.012 * noise(rng, shape, 8)
    tissue = outline > 0

    fat_field = (0.75 * x - 0.85 * y) - 0.62 + 0.14 * noise(rng, shape, 45)  # upper right
    fat = sigmoid(fat_field, 30)
    bed = sigmoid(0.75 - np.hypot(x + 0.12, y - 0.1) + 0.16 * noise(rng, shape, 50), 14)
    nests = sigmoid(noise(rng, shape, 13) + 0.35 * noise(rng, shape, 5) + 0.05, 9)
    tumour = bed * nests * (1 - fat)
    border = np.exp(-((bed - 0.45) ** 2) / 0.08)  # lymphocytes gather where the tumour ends
    foci = sigmoid(noise(rng, shape, 12) - 0.95, 9)
    immune = np.clip(border * foci * 1.6, 0, 1) * (1 - fat) * (1 - 0.7 * tumour)
    stroma = np.clip(1 - tumour - immune - fat, 0, 1)
    stack = np.stack([tumour, stroma, immune, fat]) * tissue
    stack /= np.maximum(stack.sum(axis=0), 1e-6)  # the sum is 0 off tissue
    regions = {name: part.astype(np.float32) for name, part in zip(REGIONS, stack, strict=True)}
    flow = 130 * (0.8 * y - 0.5 * x) + 16 * noise(rng, shape, 55) + 3 * noise(rng, shape, 16)
    return Histology(tissue, flow.astype(np.float32), regions, size)
