"""Pixel size from the spots: their distance on the array is known to the micrometre."""

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import CohortError

LEGACY_PITCH_UM = 200.0  # Stahl et al. 2016, spots of 100 um
VISIUM_PITCH_UM = 100.0  # spots of 55 um, on a hexagonal grid
STRETCH = 0.05  # by which the scales of the two axes may differ
OFF_GRID_UM = 30.0  # root mean square; 15 to 17 um on real legacy sections, 0.3 um on Visium


def legacy_um(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return array positions (n, 2), x then y, of legacy ST in micrometres."""
    return array * LEGACY_PITCH_UM


def visium_um(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return array positions (n, 2), `array_col` then `array_row`, of Visium in micrometres.

    Even rows have even columns, odd rows have odd columns, so one column is half a pitch. Rows are
    sin(60 degrees) of a pitch apart.
    """
    return array * np.array([VISIUM_PITCH_UM / 2, VISIUM_PITCH_UM * np.sqrt(3) / 2])


def pixel_size(um: NDArray[np.float64], pixels: NDArray[np.float64], name: str) -> float:
    """Return um/px from the affine map from array to image, fitted by least squares.

    Parameters
    ----------
    um : (n, 2) positions on the array, um.
    pixels : (n, 2) positions of the same spots in the image, px.
    name : name of the section, for error messages.

    Raises
    ------
    CohortError
        Fewer than three spots, or the positions are not a scaled and rotated grid.
    """
    ones = np.column_stack([um, np.ones(len(um))])
    # Spots on one line leave the map undetermined.
    if len(um) < 3 or np.linalg.matrix_rank(ones) < 3:
        raise CohortError(
            f"Section '{name}' has too few spots to determine its pixel size; leave it out."
        )
    fit, *_ = np.linalg.lstsq(ones, pixels, rcond=None)
    # The singular values are the px per um of both axes, whatever the rotation.
    long, short = np.linalg.svd(fit[:2], compute_uv=False)
    if short == 0:
        raise CohortError(
            f"The spots of section '{name}' lie on a line in its image; check its spot file."
        )
    mpp = 1 / float(np.sqrt(long * short))  # geometric mean of the scales of both axes
    off = np.sqrt(((ones @ fit - pixels) ** 2).sum(axis=1).mean()) * mpp
    if long > short * (1 + STRETCH) or off > OFF_GRID_UM:
        raise CohortError(
            f"The spots of section '{name}' do not lie on the grid of its array in the image; "
            "its spot file and its image do not belong together."
        )
    return mpp
