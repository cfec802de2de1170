"""Colours of the figures: scales for colour-blind people too, and robust limits."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from plotly.colors import get_colorscale, hex_to_rgb, sample_colorscale

#: Perceptually ordered scales, which stay ordered with the common colour-vision deficiencies.
SCALES: Final[tuple[str, ...]] = ("Viridis", "Cividis", "Inferno", "Magma", "Greys")

#: For differences: blue below zero, white at zero, red above. Colour-blind people can tell the
#: sides apart from zero, because lightness falls on both.
DIVERGING: Final = "RdBu_r"

#: Inks that blend two or three genes in one image like printing inks: white where all are low, dark
#: where all are high. White, each ink and each mixture can be told apart without red, green or blue
#: cones (simulated after Machado et al. 2009, doi 10.1109/TVCG.2009.113).
INKS: Final[dict[int, tuple[str, ...]]] = {
    2: ("#0072b2", "#d55e00"),
    3: ("#33cccc", "#a60080", "#f2cc00"),
}

UNIT_LABELS: Final[dict[str, str]] = {
    "log10_cp10k": "log10(CP10k+1)",
    "log1p_cp10k": "ln(CP10k+1)",
    "raw": "counts",
}

#: Vermilion and blue after Okabe and Ito (2008), which colour-blind people can tell apart; the blue
#: is lighter than theirs, so that it is visible on a dark page too.
INSIDE: Final = "#d55e00"
OUTSIDE: Final = "#3a8fd0"
OUT_OF_DOMAIN: Final = "#9a97a0"
#: For lines that must be visible on light and dark pages.
NEUTRAL: Final = "#8c8794"


def unit_label(unit: str) -> str:
    """Return the axis label of an expression unit, such as ``"log10(CP10k+1)"``."""
    return UNIT_LABELS.get(unit, unit)


@lru_cache
def colour_table(scale: str, n: int = 256) -> npt.NDArray[np.uint8]:
    """Return `n` colours (n, 3) of one of `SCALES` or of `DIVERGING`, from low to high."""
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
    """Return colour limits that do not depend on a few extreme tiles.

    Parameters
    ----------
    values : array-like
        Of any shape; values that are not finite are left out.
    low, high : float
        Percentiles.

    Returns
    -------
    tuple of float
        The two percentiles, widened if they are equal, so that a colour bar can be drawn.
    """
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    if finite.size == 0:
        return 0.0, 1.0
    lower, upper = (float(v) for v in np.percentile(finite, [low, high]))
    if upper - lower < 1e-6:
        # so few tiles express the gene that the percentiles are equal
        lower, upper = float(finite.min()), float(finite.max())
    if upper - lower < 1e-6:
        lower, upper = lower - 0.5, upper + 0.5
    return lower, upper
