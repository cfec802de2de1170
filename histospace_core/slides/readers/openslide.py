"""Scanner formats and tiled TIFF through OpenSlide."""

from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageCms

from histospace_core.slides.readers.reader import on_white, stated_mpp
from histospace_core.slides.tiff_images import TiffImage
from histospace_core.slides.tiff_levels import are_alike
from histospace_core.slides.tiff_tiles import TiledPage, is_plain_jpeg

PLAIN = ("generic-tiff", "aperio")
"""Formats, as OpenSlide names them, whose levels are plain tiled images."""


class OpenSlideReader:
    """Scanner formats and tiled TIFF; plain JPEG tiles are decoded without OpenSlide.

    OpenSlide passes tiles through a cache, a canvas with alpha and a change of byte order. Decoding
    them straight into the region's pixels takes about a fifth of the time. It is done only where
    the page of a level is known beyond doubt, and the pixels are the same.

    Parameters
    ----------
    path
    tiff, image
        For a plain TIFF, the file as tifffile opens it, which the reader closes, and the image of
        it that is read.
    """

    name: Literal["openslide"] = "openslide"
    shared = False

    def __init__(self, path: Path, tiff: Any = None, image: TiffImage | None = None) -> None:
        import openslide

        self._slide = openslide.OpenSlide(path)
        self._tiff = tiff
        try:
            self._describe(image)
        except BaseException:
            self._slide.close()  # `tiff` stays open for another reader
            raise

    def _describe(self, image: TiffImage | None) -> None:
        self.vendor = self._slide.properties.get("openslide.vendor", "unknown")
        self.mpp = stated_mpp(self._slide.properties, "openslide")
        self.icc_profile: bytes | None = _profile(self._slide)
        self.series = image.series if image else ""
        self.notes = (*(image.notes if image else ()), *_associated(self._slide))
        sizes = self._slide.level_dimensions
        self._levels = _levels_of(image, sizes) if image else list(range(len(sizes)))
        self.size = sizes[self._levels[0]]
        downs = self._slide.level_downsamples
        self.downsamples = tuple(float(downs[i]) for i in self._levels)
        self._tiles = _jpeg_levels(self._tiff, image, [sizes[i] for i in self._levels], sizes)

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        tiles = self._tiles[level]
        # OpenSlide paints tiles that are left out, in Aperio's files from the level above, and
        # judges those that look damaged.
        if tiles and (pixels := tiles.read(x, y, w, h, blank=None)) is not None:
            return Image.fromarray(pixels)
        scale = self.downsamples[level]
        corner = (round(x * scale), round(y * scale))  # level-0 px; the size is in px of the level
        return on_white(self._slide.read_region(corner, self._levels[level], (w, h)))

    def level_size(self, level: int) -> tuple[int, int]:
        size: tuple[int, int] = self._slide.level_dimensions[self._levels[level]]
        return size

    def close(self) -> None:
        self._slide.close()
        if self._tiff:
            self._tiff.close()


def _levels_of(image: TiffImage, sizes: Any) -> list[int]:
    """Return which of OpenSlide's levels are those of an image, the first as large as it.

    The n-th image of a z-stack has the n-th level of each size; OpenSlide lists them all. It also
    lists reduced images of another shape, which are no copies.
    """
    number = image.number
    whole = {size for size in sizes if sizes.count(size) == sizes.count(sizes[0])}
    return [
        i
        for i, size in enumerate(sizes)
        if sizes[:i].count(size) == number
        and (not number or size in whole)
        and are_alike(sizes[0], size)
    ]


def _jpeg_levels(
    tiff: Any, image: TiffImage | None, sizes: list[tuple[int, int]], every: Any
) -> list[TiledPage | None]:
    """Return the pages of the levels that can be decoded here; None for a level that cannot.

    A page is known by its size, because OpenSlide does not tell which it takes; so a size that
    occurs twice among its levels is left to OpenSlide.
    """
    if image is None:
        return [None] * len(sizes)
    pages = {(p.imagewidth, p.imagelength): p for (p, *_) in image.levels}
    return [
        TiledPage(page, tiff.filehandle.fileno())
        if (page := pages.get(size)) and every.count(size) == 1 and is_plain_jpeg(page)
        else None
        for size in sizes
    ]


def _profile(slide: Any) -> bytes | None:
    try:
        profile = slide.color_profile
    except ImageCms.PyCMSError:
        return b""
    return profile.tobytes() if profile else None


def _associated(slide: Any) -> tuple[str, ...]:
    names = sorted(slide.associated_images)
    return (f"Images beside the slide are not read: {', '.join(names)}.",) if names else ()
