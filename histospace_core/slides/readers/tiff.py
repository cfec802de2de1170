"""OME-TIFF and other tiled TIFF that OpenSlide does not read."""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from histospace_core.slides.formats import TiffFacts, ome_pixel_size
from histospace_core.slides.readers.reader import on_white, stated_mpp


class TiffSlideReader:
    """OME-TIFF, whose pyramid is in sub-images, and tiled TIFF that OpenSlide does not support."""

    name: Literal["tiffslide"] = "tiffslide"
    shared = False
    series = ""
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, facts: TiffFacts) -> None:
        import tiffslide

        self._slide = tiffslide.TiffSlide(path)
        self.size = self._slide.dimensions
        self.downsamples = tuple(float(d) for d in self._slide.level_downsamples)
        self.icc_profile: bytes | None = self._slide.ts_tifffile.pages.first.iccprofile
        if facts.is_ome:
            self.vendor: str = "ome-tiff"
            self.mpp = ome_pixel_size(facts.description, self.size)
        else:
            self.vendor = self._slide.properties["tiffslide.vendor"] or "tiff"
            self.mpp = stated_mpp(self._slide.properties, "tiffslide")

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        scale = self.downsamples[level]
        # tiffslide divides by the downsample and truncates, so aim at the middle of the pixel
        corner = (int((x + 0.5) * scale), int((y + 0.5) * scale))
        pixels = np.asarray(self._slide.read_region(corner, level, (w, h), as_array=True))
        image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))
        return image if image.mode == "RGB" else on_white(image)

    def level_size(self, level: int) -> tuple[int, int]:
        return self._slide.level_dimensions[level]

    def close(self) -> None:
        self._slide.close()
