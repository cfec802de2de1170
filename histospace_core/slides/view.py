"""A view: one of the squares, at one scale, that a network sees around a tile's centre."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """A square around the centre of a spot or tile, with its own pixel size.

    Attributes
    ----------
    px : int
        Side, px.
    um_per_px : float
        Pixel size, um.
    """

    px: int
    um_per_px: float

    @property
    def um(self) -> float:
        """Side, um."""
        return self.px * self.um_per_px

    def margin(self, um: float) -> int:
        """Return a margin in px, rounded up."""
        return math.ceil(um / self.um_per_px)
