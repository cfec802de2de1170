"""Properties of a slide that are known without reading its pixels."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histospace_core.errors import PixelSizeError
from histospace_core.slides.readers.reader import ReaderName

MPP_MIN, MPP_MAX = 0.05, 4.0
"""Pixel sizes, um/px, that an H&E scan can have: from a 200x objective to a 2.5x overview."""

MPP_TOLERANCE = 0.05
"""Two pixel sizes that differ by more than this share contradict each other."""


@dataclass(frozen=True)
class SlideProperties:
    """Size, pixel size and pyramid of a slide.

    Attributes
    ----------
    width, height : int
        Size of level 0, px.
    mpp : float or None
        Pixel size of level 0, um/px; None if neither the file nor the user states a possible one.
    mpp_source : {"file", "user"} or None
    vendor : str
        Scanner vendor or file format, as the reader names it.
    reader : str
        Library that reads the file.
    level_downsamples : tuple of float
        Level-0 px per px of each pyramid level; the first is 1.
    stated_mpp : float or None
        The file's value if it is absurd (from a 72 dpi default, say), for error messages.
    series : str
        Name of the image that is read, where the file holds several; "" otherwise.
    notes : tuple of str
        Sentences about what else the file holds and is not read.
    icc : str
        Name of the embedded colour profile by which the pixels are converted to sRGB, which
        changes nothing if it is sRGB itself; "" if none is used.
    """

    width: int
    height: int
    mpp: float | None
    mpp_source: Literal["file", "user"] | None
    vendor: str
    reader: ReaderName
    level_downsamples: tuple[float, ...]
    stated_mpp: float | None = None
    series: str = ""
    notes: tuple[str, ...] = ()
    icc: str = ""


def check_mpp(mpp: float, path: Path) -> float:
    """Return a pixel size from a user as a number, once it is known to be possible.

    Raises
    ------
    PixelSizeError
        It is not a finite number from 0.05 to 4 um/px.
    """
    try:
        value = float(mpp)
    except (TypeError, ValueError):
        value = math.nan  # fails every comparison
    if not MPP_MIN <= value <= MPP_MAX:
        raise PixelSizeError(
            f"{mpp} um/px is not a pixel size of an H&E scan",
            path=path,
            remedy=f"give one from {MPP_MIN} to {MPP_MAX:g} um/px (the scanner's software states "
            "it; 0.25 and 0.5 are usual)",
        )
    return value


def resolve_mpp(
    path: Path, stated: tuple[float, float] | None, user: float | None
) -> tuple[float | None, Literal["file", "user"] | None, float | None]:
    """Choose between the pixel size of the file (x, y) and that of the user; never guess.

    Returns
    -------
    mpp, source, stated : the pixel size, where it came from, and the file's value if it is absurd.

    Raises
    ------
    PixelSizeError
        The pixels are not square, or the user's value contradicts a possible one in the file.
    """
    given = None if user is None else check_mpp(user, path)
    absurd = None
    if stated is not None:
        x, y = stated
        if not (MPP_MIN <= x <= MPP_MAX and MPP_MIN <= y <= MPP_MAX):
            absurd = max(x, y)
        elif abs(x - y) > MPP_TOLERANCE * min(x, y):
            raise PixelSizeError(
                f"its pixels are not square ({x:g} x {y:g} um)",
                path=path,
                remedy="resample it to square pixels first",
            )
        else:
            mpp = (x + y) / 2
            if given is not None and abs(given - mpp) > MPP_TOLERANCE * mpp:
                raise PixelSizeError(
                    f"the file states {mpp:g} um/px, but you gave {given:g}",
                    path=path,
                    remedy="leave yours out, or correct the file",
                )
            return mpp, "file", None
    return given, "user" if given is not None else None, absurd


def require_mpp(path: Path, properties: SlideProperties) -> float:
    """Return the pixel size in um/px.

    Raises
    ------
    PixelSizeError
        It is unknown; the error asks the user for it.
    """
    if properties.mpp is not None:
        return properties.mpp
    if properties.stated_mpp is not None:
        raise PixelSizeError(
            f"the file states {properties.stated_mpp:.4g} um/px, which is absurd for an H&E scan",
            path=path,
            remedy="give the true pixel size in um/px (on the command line: --mpp)",
        )
    raise PixelSizeError(
        "the file does not state its pixel size",
        path=path,
        remedy="give it in um/px (on the command line: --mpp)",
    )
