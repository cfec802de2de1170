"""Find the tissue on a slide."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import closing, disk, opening

from histospace_core.errors import TissueError
from histospace_core.slides.open import RGB, Slide
from histospace_core.slides.prefetch import in_order
from histospace_core.slides.quality import fold_mask, pen_mask

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.float64]

MIN_OBJECT_MM2 = 0.05
"""Smaller pieces are debris: less than seven tiles of 88 um."""

_SATURATION_FLOOR, _SATURATION_CAP = 0.05, 0.2
_TEXTURE_FLOOR, _TEXTURE_CAP = 0.03, 0.09
_OBJECT_TEXTURE = 0.04
_MAX_MASK_PIXELS = 2_000_000
"""Limit of the mask's size, so that the largest slide needs no more memory than a small one."""


@dataclass(frozen=True)
class Tissue:
    """A mask of the tissue over the whole slide.

    Attributes
    ----------
    mask : bool array (h, w)
    downsample_x, downsample_y : float
        Level-0 px per px of the mask.
    um_per_px : float
        Pixel size of the mask.
    artefacts : mapping of str to bool array (h, w)
        Masks of the tissue under ink ("pen") and of folded tissue ("fold").
    overview : uint8 RGB array (h, w, 3), optional
        The picture of the slide in which the tissue was found.
    """

    mask: Mask
    downsample_x: float
    downsample_y: float
    um_per_px: float
    artefacts: Mapping[str, Mask] = field(default_factory=dict)
    overview: RGB | None = None

    @property
    def fraction(self) -> float:
        """Share of the slide that is tissue."""
        return float(self.mask.mean())

    @property
    def area_mm2(self) -> float:
        """Area of the tissue, mm2."""
        return float(self.mask.sum()) * self.um_per_px**2 / 1e6

    def contains(self, centres: npt.ArrayLike) -> Mask:
        """Return whether each position (n, 2), level-0 px, lies on tissue."""
        points = np.asarray(centres, dtype=np.float64).reshape(-1, 2)
        column = np.floor(points[:, 0] / self.downsample_x)
        row = np.floor(points[:, 1] / self.downsample_y)
        h, w = self.mask.shape
        inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
        found = np.zeros(len(points), dtype=bool)
        found[inside] = self.mask[row[inside].astype(int), column[inside].astype(int)]
        return found

    def overlap(
        self, centres: npt.ArrayLike, side: float, artefact: str = ""
    ) -> npt.NDArray[np.float32]:
        """Return the share of tissue, or of an artefact, in squares around positions.

        Parameters
        ----------
        centres : array (n, 2)
            Level-0 px.
        side : float
            Side of the squares, level-0 px; the area outside the slide counts as glass.
        artefact : str
            One of `artefacts`; if empty, the tissue.

        Returns
        -------
        float32 array (n,), from a summed-area table of the mask, interpolated between its nodes.
        """
        points = np.asarray(centres, dtype=np.float64).reshape(-1, 2)
        half = np.array([side / 2 / self.downsample_x, side / 2 / self.downsample_y])
        middle = points / [self.downsample_x, self.downsample_y]
        (left, top), (right, bottom) = (middle - half).T, (middle + half).T
        sums = self._sums[artefact]

        def area(y: Positions, x: Positions) -> Positions:
            # mode nearest: sums stay constant beyond the slide, so glass there adds nothing.
            return ndimage.map_coordinates(sums, [y, x], np.float64, order=1, mode="nearest")

        total = area(bottom, right) - area(top, right) - area(bottom, left) + area(top, left)
        return np.clip(total / (4 * half[0] * half[1]), 0, 1).astype(np.float32)

    @cached_property
    def _sums(self) -> dict[str, npt.NDArray[np.int32]]:
        """Summed-area tables of the tissue and of each artefact."""
        return {name: _summed(mask) for name, mask in {"": self.mask, **self.artefacts}.items()}


def find_tissue(slide: Slide, um_per_px: float = 8.0) -> Tissue:
    """Find the tissue of a slide.

    Raises
    ------
    TissueError
        There is none.
    PixelSizeError
        The slide's pixel size is unknown.
    """
    mpp = slide.mpp
    least = mpp * (slide.width * slide.height / _MAX_MASK_PIXELS) ** 0.5
    shrink = mpp / max(um_per_px, least)
    w, h = max(1, round(slide.width * shrink)), max(1, round(slide.height * shrink))
    image = slide.read(0, 0, slide.width, slide.height, w, h)
    with ThreadPoolExecutor(1) as pool:  # both masks mostly run without the interpreter lock
        pen = pool.submit(pen_mask, image)
        mask = tissue_mask(image, mpp / shrink)
    if not mask.any():
        raise TissueError(
            "no tissue found on the slide",
            path=slide.path,
            remedy="check that it is an H&E scan with tissue on it and that "
            f"{mpp:g} um/px is right",
        )
    artefacts = {
        "pen": pen.result() & mask,
        "fold": fold_mask(image, mask, mpp / shrink),
    }
    return Tissue(mask, slide.width / w, slide.height / h, mpp / shrink, artefacts, image)


def _summed(mask: Mask) -> npt.NDArray[np.int32]:
    # A border of zeros spares the edges a special case; int32 holds 2 million pixels easily.
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    sums[1:, 1:] = mask.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    return sums


def tissue_mask(image: RGB, um_per_px: float) -> Mask:
    """Separate tissue from glass on an overview of a slide.

    A pixel is tissue if its saturation exceeds Otsu's threshold (Otsu 1979, doi
    10.1109/TSMC.1979.4310076), or if it is textured (Otsu on the local contrast of the optical
    density) and its saturation exceeds the midpoint between glass and that threshold. Colour alone
    loses pale fat and stroma; texture alone mistakes fiducials and dust for tissue. Each threshold
    has a floor, so that bare glass is not split in two, and a cap, so that a field full of tissue
    is not split either. Pieces are then closed and their holes filled; debris is removed, and so
    are pieces as smooth as stain that ran over the glass.

    Parameters
    ----------
    image : uint8 RGB (h, w, 3)
    um_per_px : float
        Its pixel size, about 8.

    Returns
    -------
    bool (h, w)
    """
    saturation = ndimage.gaussian_filter(saturation_of(image), 8 / um_per_px)
    contrast = _contrast(image, max(1.0, 16 / um_per_px))
    strong = _otsu(saturation, _SATURATION_FLOOR, _SATURATION_CAP)
    glass = _mode(saturation, strong)
    rough = np.exp(_otsu(np.log(contrast + 0.01), -np.inf, np.inf)) - 0.01
    rough = float(np.clip(rough, _TEXTURE_FLOOR, _TEXTURE_CAP))
    mask = (saturation > strong) | ((contrast > rough) & (saturation > (glass + strong) / 2))
    # Closed first: a hole is filled only if its rim has no gap.
    mask = closing(mask, disk(max(1, round(24 / um_per_px))))
    mask = opening(ndimage.binary_fill_holes(mask), disk(max(1, round(16 / um_per_px))))
    return _without_debris(mask, contrast, um_per_px)


def saturation_of(image: RGB) -> npt.NDArray[np.float32]:
    """Return the saturation (...) of colours (..., 3), as HSV defines it, 0 to 1."""
    red, green, blue = (image[..., i] for i in range(3))
    # Plane by plane, because a reduction over an axis of three is slow.
    most = np.maximum(np.maximum(red, green), blue)
    least = np.minimum(np.minimum(red, green), blue)
    return np.divide(most - least, np.maximum(most, 1), dtype=np.float32)


def _contrast(image: RGB, sigma: float) -> npt.NDArray[np.float32]:
    """Return the local standard deviation of the optical density, over the three channels."""
    density = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)

    def variance(channel: int) -> npt.NDArray[np.float32]:
        plane = density[image[..., channel]]
        mean = ndimage.gaussian_filter(plane, sigma)
        # Rounding can make the variance of a flat area negative.
        return np.maximum(ndimage.gaussian_filter(plane**2, sigma) - mean**2, 0)

    return np.sqrt(sum(in_order(variance, range(3), 3)))


def _otsu(values: npt.NDArray[np.float32], floor: float, cap: float) -> float:
    if float(np.ptp(values)) < 1e-6:
        return cap if np.isfinite(cap) else float(values.flat[0])
    return float(np.clip(threshold_otsu(values), floor, cap))


def _mode(saturation: npt.NDArray[np.float32], below: float) -> float:
    """Return the most frequent saturation below the threshold: that of glass, even if tinted."""
    counts, edges = np.histogram(saturation, bins=max(1, round(below * 100)), range=(0, below))
    most = int(counts.argmax())
    return float(edges[most] + edges[most + 1]) / 2


def _without_debris(mask: Mask, contrast: npt.NDArray[np.float32], um_per_px: float) -> Mask:
    pieces, n = ndimage.label(mask)
    size = np.bincount(pieces.ravel(), minlength=n + 1)
    texture = np.bincount(pieces.ravel(), weights=contrast.ravel(), minlength=n + 1)
    keep = size * um_per_px**2 / 1e6 >= MIN_OBJECT_MM2
    keep &= texture >= _OBJECT_TEXTURE * size
    keep[0] = False  # label 0 is the glass
    return keep[pieces]
