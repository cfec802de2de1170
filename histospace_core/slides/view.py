"""What a network looks at: one or more square views around the same centre."""

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """A square around a spot's or tile's centre, at a pixel size of its own.

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
