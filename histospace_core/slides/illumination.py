"""Correct colour cast and luminosity, as the published method does before stain normalisation.

Both are measured once per slide, so that a tile's colours do not depend on its neighbours.
Source: Kumar & Chatterjee 2024, doi 10.1016/j.ymeth.2024.11.002.
"""

import warnings

import numpy as np
import numpy.typing as npt
from skimage.color import lab2rgb, rgb2lab

from histospace_core.slides.open import RGB

Floats = npt.NDArray[np.float64]


def measure_white(image: RGB, percentile: float = 99) -> Floats:
    """Return the percentile of each channel (3,): the colour of empty glass."""
    return np.maximum(np.percentile(image.reshape(-1, 3), percentile, axis=0), 1.0)


def remove_colour_cast(image: npt.ArrayLike, white: npt.ArrayLike) -> Floats:
    """Scale each channel so that `white` (3,) becomes 255; return floats from 0 to 255."""
    return np.clip(np.asarray(image, dtype=np.float64) * 255 / np.asarray(white), 0, 255)


def measure_luminosity(image: npt.ArrayLike, percentile: float = 95) -> float:
    """Return the percentile of the CIELAB lightness (0 to 100) of an image (..., 3), 0 to 255."""
    lightness = rgb2lab(np.asarray(image, dtype=np.float64) / 255)[..., 0]
    return max(float(np.percentile(lightness, percentile)), 1.0)


def standardise_luminosity(image: npt.ArrayLike, luminosity: float) -> Floats:
    """Scale the CIELAB lightness so that `luminosity` becomes 100; return floats from 0 to 255."""
    lab = rgb2lab(np.asarray(image, dtype=np.float64) / 255)
    lab[..., 0] = np.clip(lab[..., 0] * 100 / luminosity, 0, 100)
    with warnings.catch_warnings():  # clipping colours outside the gamut is intended
        warnings.filterwarnings("ignore", message="Conversion from CIE-LAB", category=UserWarning)
        return np.clip(lab2rgb(lab) * 255, 0, 255)
