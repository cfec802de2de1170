"""Open a slide of any format, and read any box of it at any scale."""

import math
from functools import cached_property
from pathlib import Path
from queue import Empty, LifoQueue
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.colour import conversion_of
from histospace_core.slides.content import slide_sha256
from histospace_core.slides.formats import library_reason
from histospace_core.slides.properties import SlideProperties, require_mpp, resolve_mpp
from histospace_core.slides.readers.choose import open_reader
from histospace_core.slides.readers.reader import Reader

RGB = npt.NDArray[np.uint8]

_STRIP_PIXELS = 4_000_000
_MARGIN = 3  # level px around a box, for the resampling filter's reach


def open_slide(
    path: str | Path, mpp: float | None = None, *, series: str | None = None, icc: bool = True
) -> "Slide":
    """Open a slide: scanner format, OME-TIFF, plain TIFF, PNG, JPEG or a folder of DICOM files.

    The content decides the format, not the name. Label and macro images are never read.

    Parameters
    ----------
    path : str or Path
    mpp : float, optional
        Pixel size in um/px, used if the file states none.
    series : str, optional
        Which image to read where the file holds several, as the error names it.
    icc : bool
        Convert the colours to sRGB by the profile that the file embeds, if any.

    Raises
    ------
    SlideError
        The file is missing, or is not a slide in 8-bit colour.
    PixelSizeError
        `mpp` is impossible or contradicts the file, or the pixels are not square.
    """
    return Slide(Path(path), mpp, series=series, icc=icc)


class Slide:
    """An open slide; use it as a context manager.

    Several threads may read at a time: each read borrows its own handle, and handles are opened as
    needed.
    """

    def __init__(
        self, path: Path, mpp: float | None = None, *, series: str | None = None, icc: bool = True
    ) -> None:
        self.path = path
        self._series = series
        reader = open_reader(path, series)
        try:
            value, source, absurd = resolve_mpp(path, reader.mpp, mpp)
        except Exception:
            reader.close()
            raise
        self._colours = conversion_of(reader.icc_profile, wanted=icc)
        self._closed = False
        self._shared = reader.shared
        self._idle: LifoQueue[Reader] = LifoQueue()
        self._idle.put(reader)
        self.properties = SlideProperties(
            width=reader.size[0],
            height=reader.size[1],
            mpp=value,
            mpp_source=source,
            vendor=reader.vendor,
            reader=reader.name,
            level_downsamples=reader.downsamples,
            stated_mpp=absurd,
            series=reader.series,
            notes=(*reader.notes, *filter(None, [self._colours.note])),
            icc=self._colours.name,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get().close()

    @property
    def width(self) -> int:
        """Width of level 0, px."""
        return self.properties.width

    @property
    def height(self) -> int:
        """Height of level 0, px."""
        return self.properties.height

    @property
    def mpp(self) -> float:
        """Pixel size, um/px; raises PixelSizeError if it is unknown."""
        return require_mpp(self.path, self.properties)

    @property
    def converts_colours(self) -> bool:
        """Whether the embedded profile changes any colour; that of sRGB changes none."""
        return self._colours.transform is not None

    def sha256(self) -> str:
        """Return the SHA-256 of the slide's files; see `slide_sha256`."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        return slide_sha256(self.path)

    def read(self, x: float, y: float, w: float, h: float, out_w: int, out_h: int) -> RGB:
        """Return a box of the slide, resampled with antialiasing.

        Parameters
        ----------
        x, y, w, h : float
            Box in level-0 px; the area outside the slide is white.
        out_w, out_h : int
            Size of the result, px. A box of this size on whole pixels is not resampled.

        Returns
        -------
        uint8 RGB array (out_h, out_w, 3)

        Raises
        ------
        SlideError
            The region cannot be decoded; other regions can still be read.
        """
        # The sum is finite only if every term is.
        if not (w > 0 and h > 0 and out_w > 0 and out_h > 0 and math.isfinite(x + y + w + h)):
            raise SlideError(f"a box of {w} x {h} px cannot be read.", path=self.path)
        reader = self._borrow()
        try:
            image = _resampled(reader, x, y, w, h, out_w, out_h)
        except Exception as error:  # each library raises its own exceptions
            # After an error, an OpenSlide handle fails on every later read.
            reader.close()
            reader = open_reader(self.path, self._series)
            reason = library_reason(error, self.path)
            raise SlideError(
                f"the region at x {x:.0f}, y {y:.0f} cannot be read{reason}",
                path=self.path,
                remedy="the file is damaged or incomplete: export it again",
            ) from error
        finally:
            self._idle.put(reader)
        converted = self._colours.apply(image)
        if not self._colours.keeps_white:
            converted = self._on_white(converted, x, y, w, h)
        return np.asarray(converted)

    def thumbnail(self, max_px: int = 1024) -> RGB:
        """Return the whole slide, at most `max_px` px on its longer side and never enlarged."""
        shrink = min(1.0, max_px / max(self.width, self.height))
        out = (max(1, round(self.width * shrink)), max(1, round(self.height * shrink)))
        return self.read(0, 0, self.width, self.height, *out)

    def _on_white(self, image: Image.Image, x: float, y: float, w: float, h: float) -> Image.Image:
        """Paint the part of a box that lies outside the slide white again."""
        across, down = image.width / w, image.height / h
        left, top = max(0, math.floor(-x * across)), max(0, math.floor(-y * down))
        right = min(image.width, math.ceil((self.width - x) * across))
        bottom = min(image.height, math.ceil((self.height - y) * down))
        if (left, top, right, bottom) == (0, 0, *image.size):
            return image
        canvas = Image.new("RGB", image.size, "white")
        if left < right and top < bottom:
            canvas.paste(image.crop((left, top, right, bottom)), (left, top))
        return canvas

    def _borrow(self) -> Reader:
        if self._closed:
            raise SlideError("the slide is closed", path=self.path, remedy="open it again")
        try:
            return self._idle.get(block=self._shared)  # a second one would decode it all again
        except Empty:
            return open_reader(self.path, self._series)


def _resampled(
    reader: Reader, x: float, y: float, w: float, h: float, out_w: int, out_h: int
) -> Image.Image:
    scale = min(w / out_w, h / out_h)  # the direction that needs more detail chooses the level
    # 1 % of tolerance: downsamples are ratios of rounded sizes, such as 4.0003.
    fitting = [i for i, d in enumerate(reader.downsamples) if d <= max(scale, 1) * 1.01]
    level = max(fitting, key=reader.downsamples.__getitem__)
    down = reader.downsamples[level]
    box = (x / down, y / down, (x + w) / down, (y + h) / down)
    exact = all(edge == int(edge) for edge in box) and (w / down, h / down) == (out_w, out_h)
    reach = 0 if exact else math.ceil(_MARGIN * max(1, scale / down))
    # Averaging whole pixels first is cheap; it leaves the bicubic filter a factor of 2 to 4.
    step = max(1, int(scale / down / 2))
    # On multiples of step, so that a pixel's value does not depend on the box that holds it.
    left, top = ((math.floor(edge) - reach) // step * step for edge in box[:2])
    right, bottom = math.ceil(box[2]) + reach, math.ceil(box[3]) + reach
    image = _padded(reader, level, left, top, right, bottom, step)
    if exact:
        return image
    inner = ((box[0] - left) / step, (box[1] - top) / step)
    outer = ((box[2] - left) / step, (box[3] - top) / step)
    # Pillow widens the filter when it shrinks, so this does not alias; the box may be fractional.
    return image.resize((out_w, out_h), Image.Resampling.BICUBIC, box=(*inner, *outer))


def _padded(
    reader: Reader, level: int, left: int, top: int, right: int, bottom: int, step: int
) -> Image.Image:
    """Return a box of a level on white, shrunk by `step`, read in strips to bound the memory."""
    # A multiple of step, so that no averaged pixel lies in two strips.
    rows = max(step, _STRIP_PIXELS // max(1, right - left) // step * step)
    size = (-(-(right - left) // step), -(-(bottom - top) // step))
    canvas = Image.new("RGB", size, "white")
    level_w, level_h = reader.level_size(level)
    for y0 in range(top, bottom, rows):
        y1 = min(bottom, y0 + rows)
        inside = (max(left, 0), max(y0, 0), min(right, level_w), min(y1, level_h))
        if inside[0] >= inside[2] or inside[1] >= inside[3]:
            continue
        piece = reader.read(
            level, inside[0], inside[1], inside[2] - inside[0], inside[3] - inside[1]
        )
        if piece.size != (right - left, y1 - y0):
            piece = _on_white(piece, right - left, y1 - y0, inside[0] - left, inside[1] - y0)
        canvas.paste(piece.reduce(step) if step > 1 else piece, (0, (y0 - top) // step))
    return canvas


def _on_white(piece: Image.Image, width: int, height: int, x: int, y: int) -> Image.Image:
    """Return a piece of a strip at its place, with white around it."""
    strip = Image.new("RGB", (width, height), None)  # filling what is covered takes long
    strip.paste(piece, (x, y))
    right, bottom = x + piece.width, y + piece.height
    for margin in ((0, 0, width, y), (0, bottom, width, height), (0, y, x, bottom),
                   (right, y, width, bottom)):  # fmt: skip
        strip.paste("white", margin)
    return strip
