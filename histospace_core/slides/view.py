"""A view: one of the squares, at one scale, that a network sees around a tile's centre."""

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
