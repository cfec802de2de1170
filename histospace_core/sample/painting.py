"""Paint a procedural section as an H&E image.

Nuclei are stamped at the density of each region, collagen follows the contours of a smooth field,
fat is a pattern of cells, and the two stains absorb light according to the Beer-Lambert law.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial import cKDTree

from histospace_core.sample.histology import COARSE, Field, Histology, noise, sigmoid

MARGIN = 4 * COARSE  # extra rows around a band, so that interpolation leaves no seam
GRAIN = 1024  # side of the square of fine texture, which repeats without a seam
BAND = 256  # rows painted at a time, which bounds the memory

# optical density of one unit of stain in red, green, blue
HAEMATOXYLIN = np.array([1.02, 0.98, 0.46], dtype=np.float32)
EOSIN = np.array([0.16, 0.62, 0.30], dtype=np.float32)
GLASS = np.array([242.0, 239.0, 243.0], dtype=np.float32)


def paint(rng: np.random.Generator, layout: Histology) -> NDArray[np.uint8]:
    """Return the image, uint8 RGB (height, width, 3)."""
    width, height = layout.size
    coarse = layout.tissue.shape
    regions, tissue = layout.regions, layout.tissue.astype(np.float32)
    nuclei = _stamp_nuclei(rng, layout)
    fields = {
        "tissue": gaussian_filter(tissue, 1.5) - 0.5 + 0.10 * noise(rng, coarse, 2),
        "clefts": _clefts(rng, layout),
        "thickness": 1 + 0.10 * noise(rng, coarse, 40),
        "flow": layout.flow,
        "ripple": 26 * noise(rng, coarse, 9),
        "eosin": noise(rng, coarse, 16),
        **regions,
        "adipocytes": _adipocytes(rng, layout),
    }
    # `_strand` reads the pattern in a circle.
    strands = gaussian_filter(rng.standard_normal(4096).astype(np.float32), 1.1, mode="wrap")
    strands /= strands.std()
    grain = gaussian_filter(rng.standard_normal((GRAIN, GRAIN), dtype=np.float32), 1.6, mode="wrap")
    grain = np.tile(grain * 5, (1, width // GRAIN + 1))[:, :width]

    image = np.empty((height, width, 3), dtype=np.uint8)
    for top in range(0, height, BAND):
        rows = slice(top, min(height, top + BAND))
        here = {name: _enlarge(field, rows, layout.size) for name, field in fields.items()}
        dark = nuclei[rows].astype(np.float32) / 255
        image[rows] = _paint_band(
            rng, here, dark, grain[np.arange(*rows.indices(height)) % GRAIN], strands
        )
    return image


def _paint_band(
    rng: np.random.Generator, at: dict[str, Field], nuclei: Field, grain: Field, strands: Field
) -> NDArray[np.uint8]:
    fibre = _strand(strands, 7 * at["flow"]) + 0.6 * _strand(
        strands, 18 * at["flow"] + at["ripple"]
    )
    solid = sigmoid(at["tissue"], 14) * (1 - at["clefts"])

    stroma = 0.50 + 0.15 * fibre + 0.12 * at["eosin"] + 0.05 * grain
    stroma *= sigmoid(fibre + 1.5, 3.5)  # slits between the bundles
    tumour = 0.34 + 0.06 * grain + 0.04 * at["eosin"]
    immune = 0.26 + 0.07 * grain
    eosin = at["stroma"] * stroma + at["tumour"] * tumour + at["immune"] * immune
    eosin = np.clip(eosin, 0.02, None) + at["fat"] * at["adipocytes"]
    cytoplasm = 0.30 * at["tumour"] + 0.20 * at["immune"] + 0.10 * at["stroma"]
    cytoplasm = cytoplasm * (1 + 0.12 * grain)

    nuclei = nuclei * (1.15 + 0.10 * grain)
    haematoxylin = np.clip(cytoplasm, 0, None) * (1 - 0.6 * nuclei) + 1.15 * nuclei
    thickness = (at["thickness"] * solid)[..., None]
    density = thickness * (haematoxylin[..., None] * HAEMATOXYLIN + eosin[..., None] * EOSIN)
    light = GLASS * np.exp(-density) + 1.6 * rng.standard_normal(density.shape, dtype=np.float32)
    return np.clip(light, 0, 255).astype(np.uint8)


def _strand(strands: Field, phase: Field) -> Field:
    """Sample a one-dimensional pattern along a smooth phase: lines that run in parallel."""
    whole = np.floor(phase)
    part = phase - whole
    index = whole.astype(np.int32)
    low, high = strands[index % len(strands)], strands[(index + 1) % len(strands)]
    return low + (high - low) * part


def _enlarge(field: Field, rows: slice, size: tuple[int, int]) -> Field:
    """Return the rows of a field, enlarged to the image's resolution (bicubic)."""
    scale = field.shape[0] / size[1]
    top, bottom = max(0, rows.start - MARGIN), min(size[1], rows.stop + MARGIN)
    large = Image.fromarray(field).resize(
        (size[0], bottom - top),
        Image.Resampling.BICUBIC,
        box=(0, top * scale, field.shape[1], bottom * scale),
    )
    return np.asarray(large)[rows.start - top : rows.stop - top]


def _clefts(rng: np.random.Generator, layout: Histology) -> Field:
    """Return gaps where glass shines through: retraction around nests, lumina and tears."""
    shape = layout.tissue.shape
    tumour = layout.regions["tumour"]
    rim = np.exp(-((tumour - 0.30) ** 2) / 0.006) * sigmoid(noise(rng, shape, 9) - 0.9, 8)
    lumina = sigmoid(noise(rng, shape, 4.5) - 2.0, 12) * (tumour > 0.6)
    tears = sigmoid(noise(rng, shape, 6) - 2.5, 12) * (layout.regions["stroma"] > 0.5)
    return np.clip(0.9 * rim + lumina + 0.8 * tears, 0, 0.97).astype(np.float32)


def _adipocytes(rng: np.random.Generator, layout: Histology) -> Field:
    """Return the eosin of fat at half resolution: thin membranes around empty cells."""
    shape = (layout.size[1] // 2, layout.size[0] // 2)
    seeds = _scatter(rng, shape, 40.0, jitter=0.28)
    where = Image.fromarray(layout.regions["fat"]).resize(shape[::-1], Image.Resampling.BILINEAR)
    rows, columns = np.nonzero(np.asarray(where) > 0.02)
    eosin = np.zeros(shape, dtype=np.float32)
    if len(rows) and len(seeds) > 1:
        distance, cell = cKDTree(seeds).query(np.column_stack([columns, rows]), k=2)
        apart = np.linalg.norm(seeds[cell[:, 0]] - seeds[cell[:, 1]], axis=1)
        # Distance to the perpendicular bisector of two seeds, the border of their Voronoi cells.
        to_border = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * apart)
        eosin[rows, columns] = 0.03 + 0.70 * np.exp(-((to_border / 1.5) ** 2))
    return eosin


def _scatter(
    rng: np.random.Generator, shape: tuple[int, int], spacing: float, jitter: float
) -> NDArray[np.float64]:
    """Return (n, 2) points (x, y) on a jittered hexagonal grid."""
    # Rows are sin(60°) of the spacing apart.
    y, x = np.mgrid[0 : shape[0] : spacing * 0.866, 0 : shape[1] : spacing]
    x[1::2] += spacing / 2
    points = np.column_stack([x.ravel(), y.ravel()])
    return points + rng.normal(0, jitter * spacing, points.shape)


# region -> spacing of nuclei in px, share of places taken, semi-axes in px, their spread, darkness
NUCLEI: dict[str, tuple[float, float, float, float, float, float]] = {
    "tumour": (17.0, 0.93, 7.2, 5.6, 0.16, 0.80),
    "stroma": (34.0, 0.60, 8.6, 2.4, 0.22, 0.88),
    "immune": (11.5, 0.92, 4.4, 4.1, 0.08, 1.00),
    "fat": (60.0, 0.35, 6.0, 2.0, 0.20, 0.85),
}
VARIANTS = 48  # different nuclei of each region


def _stamp_nuclei(rng: np.random.Generator, layout: Histology) -> NDArray[np.uint8]:
    """Return the haematoxylin of all nuclei, uint8 (height, width)."""
    width, height = layout.size
    inside = binary_erosion(layout.tissue, iterations=2)
    canvas = np.zeros((height, width), dtype=np.uint8)
    down, right = np.gradient(layout.flow)
    along = np.arctan2(right, -down)  # a contour runs across the gradient
    for region, (spacing, taken, *shape) in NUCLEI.items():
        stamps = [_nucleus(rng, np.pi * i / VARIANTS, *shape) for i in range(VARIANTS)]
        half = stamps[0].shape[0] // 2
        points = _scatter(rng, (height, width), spacing, jitter=0.20).astype(int)
        fits = ((points >= half) & (points < (width - half, height - half))).all(axis=1)
        points = points[fits]
        columns, rows = np.minimum(points // COARSE, np.array(inside.shape[::-1]) - 1).T
        share = layout.regions[region][rows, columns] * inside[rows, columns]
        chosen = points[rng.random(len(points)) < taken * share**1.5]
        variants = rng.integers(0, VARIANTS, len(chosen))
        if region == "stroma":  # fibroblasts lie along the collagen
            columns, rows = np.minimum(chosen // COARSE, np.array(inside.shape[::-1]) - 1).T
            turn = along[rows, columns] + rng.normal(0, 0.25, len(chosen))
            # Half a turn gives the same nucleus.
            variants = np.round(turn / np.pi * VARIANTS).astype(int) % VARIANTS
        for (x, y), variant in zip(chosen, variants, strict=True):
            place = canvas[y - half : y + half + 1, x - half : x + half + 1]
            np.maximum(place, stamps[variant], out=place)  # nuclei that overlap are not darker
    return gaussian_filter(canvas, 0.6)


def _nucleus(
    rng: np.random.Generator, angle: float, a: float, b: float, spread: float, darkness: float
) -> NDArray[np.uint8]:
    """Return one nucleus: a wobbly ellipse with a darker rim and clumped chromatin."""
    # The semi-axis is at most 1.5 a, and the wobble adds 12 %.
    half = int(np.ceil(1.7 * max(NUCLEI_LARGEST, a)))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    a, b = (np.array([a, b]) * np.exp(rng.normal(0, spread, 2))).clip(1.8, 1.5 * a)
    turn = np.arctan2(v / b, u / a)
    wobble = 1 + 0.07 * np.sin(2 * turn + rng.uniform(0, 6)) + 0.05 * np.sin(3 * turn)
    radius = np.hypot(u / a, v / b) / wobble
    edge = 1 / (1 + np.exp((radius - 1) * 2.2 * np.sqrt(a * b)))
    clumps = gaussian_filter(rng.standard_normal(x.shape), 1.3) * 2.5
    body = 0.72 + 0.20 * np.exp(-(((radius - 0.88) / 0.22) ** 2)) + 0.16 * clumps
    dark = darkness * np.exp(rng.normal(0, 0.12))
    return (255 * np.clip(edge * body * dark, 0, 1)).astype(np.uint8)


NUCLEI_LARGEST = max(shape[2] for shape in NUCLEI.values())
