"""Check that measured spots lie on the tissue, before anything is compared."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import MeasurementError

MIN_ON_TISSUE = 0.5  # share of spots; with fewer, the positions belong to another image
MARGIN = 0.05  # two orientations are distinguished only if their shares differ by more than this
AS_GIVEN = "as given"

# name -> (x and y swapped first, then x mirrored, then y mirrored)
ORIENTATIONS: dict[str, tuple[bool, bool, bool]] = {
    AS_GIVEN: (False, False, False),
    "mirrored left-right": (False, True, False),
    "mirrored top-bottom": (False, False, True),
    "turned by 180 degrees": (False, True, True),
    "x and y swapped": (True, False, False),
    "turned by 90 degrees clockwise": (True, True, False),
    "turned by 90 degrees anticlockwise": (True, False, True),
    "x and y swapped and turned by 180 degrees": (True, True, True),
}


@dataclass(frozen=True)
class Alignment:
    """Result of `check_alignment`.

    Attributes
    ----------
    shares : orientation -> share of spots on tissue, `AS_GIVEN` first.
    outside : share of spots outside the image, as given.
    verdict : "aligned"; "misaligned"; or "unclear": the spots lie on tissue, but another
        orientation fits about as well, so a flip would go unnoticed.
    message : one sentence with the shares and, if needed, the remedy.
    """

    shares: dict[str, float]
    outside: float
    verdict: Literal["aligned", "misaligned", "unclear"]
    message: str

    @property
    def on_tissue(self) -> float:
        """Share of spots on tissue, as given."""
        return self.shares[AS_GIVEN]

    @property
    def best(self) -> str:
        """Orientation with the largest share; "as given" if none is better."""
        return max(self.shares, key=lambda name: self.shares[name])

    def require(self, *, placed_by_hand: bool = False) -> None:
        """Refuse a misaligned measurement.

        A user who has placed the spots by hand may prefer an orientation that fits less well, as
        long as half of the spots lie on tissue.

        Raises
        ------
        MeasurementError
            With `message`.
        """
        if placed_by_hand and self.on_tissue >= MIN_ON_TISSUE:
            return
        if self.verdict == "misaligned":
            raise MeasurementError(self.message)

    def to_json(self) -> dict[str, Any]:
        """Return the alignment as a comparison records it."""
        return {
            "verdict": self.verdict,
            "message": self.message,
            "share_on_tissue": self.on_tissue,
            "share_outside": self.outside,
            "best_orientation": self.best,
            "share_on_tissue_by_orientation": self.shares,
        }


def orient(
    centres: NDArray[np.float64], name: str, size: tuple[float, float]
) -> NDArray[np.float64]:
    """Return (n, 2) spot centres in another orientation within an image of `size` (width, height).

    The four orientations that swap x and y assume that the image is turned as well.
    """
    swap, mirror_x, mirror_y = ORIENTATIONS[name]
    turned = centres[:, ::-1].copy() if swap else centres.copy()
    if mirror_x:
        turned[:, 0] = size[0] - turned[:, 0]
    if mirror_y:
        turned[:, 1] = size[1] - turned[:, 1]
    return turned


def check_alignment(
    centres: NDArray[np.float64],
    mask: NDArray[np.bool_],
    downsample: tuple[float, float],
    size: tuple[float, float] | None = None,
) -> Alignment:
    """Count the spots on tissue, as given and under the other seven orientations.

    Misaligned: under 50 % of the spots lie on tissue, or another orientation holds 5 percentage
    points more (with `find_tissue`, real sections have 99 % or more as given). Spot centres
    outside the image count as off tissue.

    Parameters
    ----------
    centres : (n, 2) spot centres, level-0 pixels.
    mask : (h, w) tissue mask.
    downsample : (x, y) level-0 pixels a mask pixel.
    size : (width, height) of the image in level-0 pixels; from the mask if None.
    """
    if len(centres) == 0:
        raise MeasurementError("The measurement has no spots to place on the slide.")
    width, height = size or (mask.shape[1] * downsample[0], mask.shape[0] * downsample[1])
    shares = {
        name: float(on_mask(orient(centres, name, (width, height)), mask, downsample).mean())
        for name in ORIENTATIONS
    }
    inside = ((centres >= 0) & (centres < (width, height))).all(axis=1)
    outside = float(1 - inside.mean())
    verdict, message = _judge(shares, outside, centres, (width, height))
    return Alignment(shares, outside, verdict, message)


def on_mask(
    centres: NDArray[np.float64], mask: NDArray[np.bool_], downsample: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return whether each spot centre lies on a mask, (n,); arguments as for `check_alignment`."""
    columns, rows = np.floor(centres / downsample).astype(np.int64).T
    # a negative index would wrap around
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    inside[inside] = mask[rows[inside], columns[inside]]
    return inside


def _judge(
    shares: dict[str, float],
    outside: float,
    centres: NDArray[np.float64],
    size: tuple[float, float],
) -> tuple[Literal["aligned", "misaligned", "unclear"], str]:
    given = shares[AS_GIVEN]
    others = {name: share for name, share in shares.items() if name != AS_GIVEN}
    best = max(others, key=lambda name: others[name])
    figures = f"{given:.0%} of the spots lie on tissue"
    if outside:
        figures += f", {outside:.0%} outside the image"
    # an orientation that misses the tissue itself is no remedy
    if others[best] >= max(given + MARGIN, MIN_ON_TISSUE):
        remedy = "correct the orientation of the positions or of the image"
        if (centres.max(axis=0) < 0.5 * np.asarray(size)).all():
            remedy += (
                "; or, as the spots fill only the upper left part of the image, give positions in "
                "its pixels"
            )
        return "misaligned", f"{figures}; {best}, {others[best]:.0%} would: {remedy}."
    if given < MIN_ON_TISSUE:
        return "misaligned", f"{figures}; {_suspect(centres, size)}"
    rivals = [name for name, share in others.items() if share > given - MARGIN]
    if rivals:
        return "unclear", (
            f"{figures}; another orientation ({rivals[0]}) fits equally well: check by eye that "
            "the maps fit the tissue."
        )
    return "aligned", f"{figures}; no other orientation fits as well."


def _suspect(centres: NDArray[np.float64], size: tuple[float, float]) -> str:
    """Say what is probably wrong, from where the spots lie."""
    reach = centres.max(axis=0) / size
    if (reach < 0.5).all():
        return (
            "they fill only its upper left part, as the positions in a reduced image would: give "
            "positions in full-resolution pixels."
        )
    if (reach > 1.5).any():
        return (
            "they reach far beyond it, as the positions in a larger image would: use the image "
            "to which the positions refer."
        )
    return "the measurement probably belongs to another slide: give the files of one section."
