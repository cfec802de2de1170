"""What the intake probe does with a file: open it, read it, and look at its colours.

This runs in a child process. The module imports neither torch nor scipy, so that the child starts
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


def check_slide(path: Path, mpp: float | None = None) -> SlideProperties:
    """Open a slide, read regions all over it, and check that it is H&E.

    Raises
    ------
    SlideError, PixelSizeError, TissueError
        See `histospace_core.slides.probe.probe_slide`.
    """
    _refuse_truncated(path)
    with open_slide(path, mpp) as slide:
        _read_everywhere(slide)
        _refuse_small(slide)
        check_h_and_e(_overview(slide), path)
        return slide.properties


def check_slide_as_json(path: str, mpp: float | None) -> dict[str, Any]:
    """Examine a slide and return its properties as a child process can send them."""
    return dataclasses.asdict(check_slide(Path(path), mpp))


def check_h_and_e(image: RGB, path: Path) -> None:
    """Insist that an overview shows haematoxylin and eosin in bright field.

    The rule, on all pixels of the overview: bright-field glass is light, so fewer than half of the
    pixels may be dark (all channels under 50) unless some glass (all over 150) is seen. Coloured
    pixels (saturation over 0.15 and mean optical density over 0.15) must make up a thousandth of
    the image, or it holds no tissue, and a hundredth of its dense pixels, or it is grey. Of them
    60 % must have a hue from blue over purple and pink to red (225 to 360 or 0 to 20 degrees):
    haematoxylin lies at about 240, eosin at 300 to 350, DAB at 20 to 40.

    Parameters
    ----------
    image : uint8 RGB (h, w, 3)
    path : Path
        The slide's file, for the message.

    Raises
    ------
    SlideError
        If it is fluorescence, grey or of other colours.
    TissueError
        If it is blank.
    """
    high, low = image.max(-1).astype(np.float32), image.min(-1).astype(np.float32)
    if (high < 50).mean() > 0.5 and (low > 150).mean() < 0.05:
        raise SlideError(
            "not an H&E slide: its background is dark, as in fluorescence",
            path=path,
            remedy="give a bright-field H&E scan",
        )
    saturation = (high - low) / np.maximum(high, 1)
    dense = -np.log((image.astype(np.float32) + 1) / 256).mean(-1) > 0.15
    coloured = dense & (saturation > 0.15)
    if dense.mean() > 0.01 and coloured.sum() < 0.01 * dense.sum():
        raise SlideError(
            "not an H&E slide: the image is grey",
            path=path,
            remedy="give the colour scan, not one channel",
        )
    if coloured.mean() < 0.001:
        raise TissueError("the slide looks blank: no stained tissue on it.", path=path)
    hue = _hue(image[coloured])
    share = float(((hue >= 225) | (hue <= 20)).mean())
    if share < 0.6:
        raise SlideError(
            f"not an H&E slide: only {share:.0%} of what is coloured is blue, purple, pink or red",
            path=path,
            remedy="give a scan stained with haematoxylin and eosin",
        )


def _hue(pixels: RGB) -> npt.NDArray[np.float32]:
    """Return the hue of coloured pixels (n, 3), degrees."""
    r, g, b = pixels.astype(np.float32).T
    high, span = pixels.max(-1), np.maximum(np.ptp(pixels, axis=-1), 1).astype(np.float32)
    by_channel = [(g - b) / span % 6, (b - r) / span + 2, (r - g) / span + 4]
    return 60 * np.select([high == r, high == g], by_channel[:2], by_channel[2])


def _refuse_truncated(path: Path) -> None:
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
    """Read patches of every level, the corners and last rows among them."""
    for down in slide.properties.level_downsamples:
        w, h = (min(_PATCH * down, side) for side in (slide.width, slide.height))
        out = max(1, round(w / down)), max(1, round(h / down))
        for y in np.linspace(0, slide.height - h, _GRID):
            for x in np.linspace(0, slide.width - w, _GRID):
                slide.read(float(x), float(y), w, h, *out)


def _refuse_small(slide: Slide) -> None:
    if min(slide.width, slide.height) >= MIN_SIDE:
        return
    size = f"too small ({slide.width} x {slide.height} px, at least {MIN_SIDE} x {MIN_SIDE})"
    stated = slide.properties.stated_mpp
    if stated is not None:
        raise PixelSizeError(
            f"{size}, and the pixel size it states, {stated:.4g} um/px, is absurd for an H&E scan",
            path=slide.path,
            remedy="give the scan at full resolution",
        )
    raise SlideError(size, path=slide.path, remedy="give the scan at full resolution")


def _overview(slide: Slide) -> RGB:
    """Return a thumbnail, or a mosaic of patches where that would take the whole file."""
    coarsest = max(slide.properties.level_downsamples)
    if slide.width * slide.height / coarsest**2 <= _OVERVIEW_PIXELS:
        return slide.thumbnail(1024)
    rows = [
        np.hstack([slide.read(x, y, 64, 64, 32, 32) for x in range(0, slide.width, step)])
        for step in [max(slide.width, slide.height) // 32]
        for y in range(0, slide.height, step)
    ]
    return np.vstack(rows)
