"""Placement of spots on a slide by hand."""

from dataclasses import asdict, dataclass
from math import cos, isfinite, radians, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import MeasurementError
from histospace_core.expression.align import AS_GIVEN, ORIENTATIONS, orient

SCALES = (0.1, 10.0)
"""Smallest and largest scale of a placement."""


@dataclass(frozen=True)
class Placement:
    """A transform of measured spots: orientation, turn and scale, then shift.

    Attributes
    ----------
    orientation : str
        One of `align.ORIENTATIONS`: flips and quarter turns within the image.
    turn_degrees : float
        Clockwise, around the middle of the spots.
    scale : float
        Scale factor, around the middle of the spots.
    shift_um : (float, float)
        To the right and downwards, um.
    """

    orientation: str = AS_GIVEN
    turn_degrees: float = 0.0
    scale: float = 1.0
    shift_um: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shift_um", tuple(self.shift_um))  # JSON has only lists
        if self.orientation not in ORIENTATIONS:
            raise MeasurementError(
                f"There is no orientation '{self.orientation}': choose {', '.join(ORIENTATIONS)}."
            )
        if not all(isfinite(v) for v in (self.turn_degrees, self.scale, *self.shift_um)):
            raise MeasurementError("Shift, turn and scale of a placement must be finite numbers.")
        if not SCALES[0] <= self.scale <= SCALES[1]:
            raise MeasurementError(
                f"The scale of a placement must be from {SCALES[0]:g} to {SCALES[1]:g}, not "
                f"{self.scale:g}."
            )

    def matrix(
        self, centres: NDArray[np.float64], size: tuple[float, float], mpp: float
    ) -> NDArray[np.float64]:
        """Return the affine matrix (2, 3) from given to placed positions, both in level-0 px.

        Parameters
        ----------
        centres : (n, 2)
            Spot centres as given, level-0 px.
        size : (width, height)
            Of the image, level-0 px.
        mpp : float
            Pixel size, um/px.
        """
        # three points determine the affine map
        origin, right, down = orient(np.array([[0.0, 0], [1, 0], [0, 1]]), self.orientation, size)
        flip = np.column_stack([right - origin, down - origin])
        oriented = centres @ flip.T + origin
        middle = (oriented.min(axis=0) + oriented.max(axis=0)) / 2
        angle = radians(self.turn_degrees)  # y points down, so positive angles turn clockwise
        turn = self.scale * np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
        shift = turn @ (origin - middle) + middle + np.asarray(self.shift_um) / mpp
        return np.column_stack([turn @ flip, shift])

    def to_json(self) -> dict[str, Any]:
        """Return the placement as a comparison records it; `Placement(**...)` reads it back."""
        return {**asdict(self), "shift_um": list(self.shift_um)}


def apply_affine(centres: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (n, 2) transformed by an affine matrix (2, 3)."""
    return centres @ matrix[:, :2].T + matrix[:, 2]
