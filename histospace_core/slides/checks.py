"""The checks of the intake probe: the slide opens, can be read everywhere, and is H&E.

They run in a child process. The module imports neither torch nor scipy, so that the child starts
in a fraction of a second.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histospace_core.errors import PixelSizeError, SlideError, TissueError
from histospace_core.slides.formats import read_tiff_facts, sniff
from histospace_core.slides.open import RGB, Slide, open_slide
from histospace_core.slides.properties import SlideProperties

MIN_SIDE = 256
"""Smallest width and height accepted, px: two tiles."""

_PATCH = 256
_GRID = 6
_OVERVIEW_PIXELS = 200_000_000  # decoded within seconds


def check_slide(
    path: Path, mpp: float | None = None, *, series: str | None = None, icc: bool = True
) -> SlideProperties:
    """Open a slide, read regions all over it, and check that it is H&E.

    Raises
    ------
    SlideError, PixelSizeError, TissueError
        See `histospace_core.slides.probe.probe_slide`.
    """
    _refuse_truncated(path)
    with open_slide(path, mpp, series=series, icc=icc) as slide:
        _read_everywhere(slide)
        _refuse_small(slide)
        check_h_and_e(_overview(slide), path)
        return slide.properties


def check_slide_as_json(
    path: str, mpp: float | None, series: str | None, icc: bool
) -> dict[str, Any]:
    """Examine a slide and return its properties as a child process can send them."""
    return dataclasses.asdict(check_slide(Path(path), mpp, series=series, icc=icc))


def check_h_and_e(image: RGB, path: Path) -> None:
    """Refuse an overview that does not show haematoxylin and eosin in bright field.

    Three rules hold for the pixels of the overview. Bright-field glass is light: at most half of
    the pixels may be dark (all channels below 50), unless a twentieth are light (all channels above
    150). Tissue is coloured (saturation above 0.15 and mean optical density above 0.15): coloured
    pixels must make up a hundredth of the dense pixels, or the image is grey, and a thousandth of
    all pixels, or the slide is blank. The colours are those of the stains: 60 % of the coloured
    pixels must have a hue from blue over purple and pink to red (225 to 360 or 0 to 20 degrees).
    Haematoxylin is at about 240, eosin at 300 to 350, DAB at 20 to 40.

    Parameters
    ----------
    image : uint8 RGB (h, w, 3)
    path : Path
        The slide's file, for error messages.

    Raises
    ------
    SlideError
        The image is fluorescence, grey or of other colours.
    TissueError
        The slide is blank.
    """
    high, low = image.max(-1).astype(np.float32), image.min(-1).astype(np.float32)
    if (high < 50).mean() > 0.5 and (low > 150).mean() < 0.05:
        raise SlideError(
            "not an H&E slide: its background is dark, as in fluorescence",
            path=path,
            remedy="give a bright-field H&E scan",
        )
    saturation = (high - low) / np.maximum(high, 1)
    # + 1: black must not be infinitely dense.
    dense = -np.log((image.astype(np.float32) + 1) / 256).mean(-1) > 0.15
    coloured = dense & (saturation > 0.15)
    # An overview with hardly any dense pixel is blank rather than grey; the next check refuses it.
    if dense.mean() > 0.01 and coloured.sum() < 0.01 * dense.sum():
        raise SlideError(
            "not an H&E slide: the image is grey",
            path=path,
            remedy="give the colour scan, not one channel",
        )
    if coloured.mean() < 0.001:
        raise TissueError("the slide looks blank: it shows no stained tissue.", path=path)
    hue = _hue(image[coloured])
    share = float(((hue >= 225) | (hue <= 20)).mean())
    if share < 0.6:
        raise SlideError(
            f"not an H&E slide: only {share:.0%} of its coloured pixels are blue, purple, pink or "
            "red",
            path=path,
            remedy="give a scan stained with haematoxylin and eosin",
        )


def _hue(pixels: RGB) -> npt.NDArray[np.float32]:
    """Return the hue of coloured pixels (n, 3), degrees."""
    r, g, b = pixels.astype(np.float32).T
    high, span = pixels.max(-1), np.maximum(np.ptp(pixels, axis=-1), 1).astype(np.float32)
    # % 6: a red with some blue is just below 360 degrees, not below 0.
    by_channel = [(g - b) / span % 6, (b - r) / span + 2, (r - g) / span + 4]
    return 60 * np.select([high == r, high == g], by_channel[:2], by_channel[2])


def _refuse_truncated(path: Path) -> None:
    # Folders and unreadable files are left to open_slide, which explains what is wrong.
    if not (path.is_file() and os.access(path, os.R_OK) and sniff(path) == "tiff"):
        return
    facts = read_tiff_facts(path)
    if facts.segments_missing:
        raise SlideError(
            f"the file is truncated: {facts.segments_missing:,} of its {facts.segments:,} "
            "pieces lie beyond its end",
            path=path,
            remedy="copy or upload it again",
        )


def _read_everywhere(slide: Slide) -> None:
    """Read a grid of patches at every level, corners and last rows included."""
    for down in slide.properties.level_downsamples:
        w, h = (min(_PATCH * down, side) for side in (slide.width, slide.height))
        out = max(1, round(w / down)), max(1, round(h / down))
        for y in np.linspace(0, slide.height - h, _GRID):
            for x in np.linspace(0, slide.width - w, _GRID):
                slide.read(float(x), float(y), w, h, *out)


def _refuse_small(slide: Slide) -> None:
    if min(slide.width, slide.height) >= MIN_SIDE:
        return
    size = (
        f"the slide is too small ({slide.width} x {slide.height} px; "
        f"the minimum is {MIN_SIDE} x {MIN_SIDE})"
    )
    stated = slide.properties.stated_mpp
    if stated is not None:
        raise PixelSizeError(
            f"{size}, and the pixel size that it states, {stated:.4g} um/px, is absurd for an H&E "
            "scan",
            path=slide.path,
            remedy="give the scan at full resolution",
        )
    raise SlideError(size, path=slide.path, remedy="give the scan at full resolution")


def _overview(slide: Slide) -> RGB:
    """Return a thumbnail, or a mosaic of patches if a thumbnail would need too many pixels."""
    coarsest = max(slide.properties.level_downsamples)
    if slide.width * slide.height / coarsest**2 <= _OVERVIEW_PIXELS:
        return slide.thumbnail(1024)
    rows = [
        np.hstack([slide.read(x, y, 64, 64, 32, 32) for x in range(0, slide.width, step)])
        for step in [max(slide.width, slide.height) // 32]  # 32 patches of 32 px a side
        for y in range(0, slide.height, step)
    ]
    return np.vstack(rows)
