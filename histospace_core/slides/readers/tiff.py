"""OME-TIFF and other tiled TIFF that OpenSlide does not read."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from histospace_core.slides.tiff_images import TiffImage
from histospace_core.slides.tiff_tiles import TiledPage, on_white, refuse_tiles


class TiffReader:
    """Tiles of any compression that imagecodecs decodes; those that the file leaves out are white.

    Parameters
    ----------
    path
    tiff
        The file as tifffile opens it; the reader closes it.
    image
        The image of it that is read.
    vendor
        The format, as the slide's properties name it.
    """

    name: Literal["tifffile"] = "tifffile"
    shared = False

    def __init__(self, path: Path, tiff: Any, image: TiffImage, vendor: str) -> None:
        for page in (page for level in image.levels for page in level):
            refuse_tiles(page, path)
        self._tiff = tiff
        file: int = tiff.filehandle.fileno()
        self.icc_profile: bytes | None = embedded_profile(image)
        self._levels = [[TiledPage(page, file) for page in level] for level in image.levels]
        self.size = self._levels[0][0].size
        self.downsamples = tuple(
            (self.size[0] / w + self.size[1] / h) / 2
            for w, h in (level[0].size for level in self._levels)
        )
        self.vendor, self.mpp = vendor, image.mpp
        self.series, self.notes = image.series, image.notes

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        pages = self._levels[level]
        parts = [page.read(x, y, w, h) for page in pages]
        pixels = np.concatenate([part for part in parts if part is not None], axis=-1)
        if pixels.shape[-1] == 4:
            pixels = on_white(pixels, pages[0].page)
        return Image.fromarray(np.ascontiguousarray(pixels))

    def level_size(self, level: int) -> tuple[int, int]:
        return self._levels[level][0].size

    def close(self) -> None:
        self._tiff.close()


def embedded_profile(image: TiffImage) -> bytes | None:
    """Return the colour profile that level 0 of an image embeds."""
    profile = image.levels[0][0].tags.valueof("InterColorProfile")
    return bytes(profile) if profile else None
