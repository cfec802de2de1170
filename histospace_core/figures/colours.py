"""Colours of the figures: scales that colour-blind readers can follow, and robust limits."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from plotly.colors import get_colorscale, hex_to_rgb, sample_colorscale

#: Perceptually ordered scales that stay ordered under the common colour-vision deficiencies.
SCALES: Final[tuple[str, ...]] = ("Viridis", "Cividis", "Inferno", "Magma", "Greys")

#: For differences: blue below zero, white at it, red above; told apart by every common kind of
#: colour vision, since lightness falls to both sides.
DIVERGING: Final = "RdBu_r"

#: Inks of two or three genes in one picture, printed over each other: no gene is white, all are
#: dark. White, every ink and every mixture stay apart for readers without red, green or blue cones
#: (simulated after Machado et al. 2009, doi 10.1109/TVCG.2009.113).
INKS: Final[dict[int, tuple[str, ...]]] = {
    2: ("#0072b2", "#d55e00"),
    3: ("#33cccc", "#a60080", "#f2cc00"),
}

UNIT_LABELS: Final[dict[str, str]] = {
    "log10_cp10k": "log10(CP10k+1)",
    "log1p_cp10k": "ln(CP10k+1)",
    "raw": "counts",
}

#: Vermilion and blue after Okabe and Ito (2008), distinct for every common kind of colour vision;
#: the blue is lighter than theirs, to be seen on a dark page too.
INSIDE: Final = "#d55e00"
OUTSIDE: Final = "#3a8fd0"
OUT_OF_DOMAIN: Final = "#9a97a0"
#: Lines that must be seen on light and dark pages.
NEUTRAL: Final = "#8c8794"


def unit_label(unit: str) -> str:
    """Return how an expression unit is written on an axis, ``"log10(CP10k+1)"`` for example."""
    return UNIT_LABELS.get(unit, unit)


@lru_cache
def colour_table(scale: str, n: int = 256) -> npt.NDArray[np.uint8]:
    """Return `n` colours (n, 3) of one of `SCALES` or `DIVERGING`, from lower to upper end."""
    colours = sample_colorscale(get_colorscale(scale), np.linspace(0, 1, n), colortype="tuple")
    return np.rint(255 * np.array(colours)).astype(np.uint8)


def ink_table(ink: str, n: int = 256) -> npt.NDArray[np.uint8]:
    """Return `n` colours (n, 3) from white to an ink."""
    strength = np.linspace(0, 1, n)[:, None]
    return np.rint(255 - strength * (255 - np.array(rgb(ink)))).astype(np.uint8)


def rgb(colour: str) -> tuple[int, int, int]:
    """Return ``"#d55e00"`` as three numbers."""
    red, green, blue = hex_to_rgb(colour)
    return red, green, blue


def robust_limits(
    values: npt.ArrayLike, low: float = 2.0, high: float = 98.0
) -> tuple[float, float]:
    """Return colour limits that a few extreme tiles cannot stretch.

    Parameters
    ----------
    values : array-like
        Any shape; what is not finite is left out.
    low, high : float
        Percentiles.

    Returns
    -------
    tuple of float
        The two percentiles, widened where they coincide, so that a colour bar can be drawn.
    """
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    if finite.size == 0:
        return 0.0, 1.0
    lower, upper = (float(v) for v in np.percentile(finite, [low, high]))
    if upper - lower < 1e-6:
        lower, upper = float(finite.min()), float(finite.max())
    if upper - lower < 1e-6:
        lower, upper = lower - 0.5, upper + 0.5
    return lower, upper
