"""Scanner formats and tiled TIFF through OpenSlide."""

from pathlib import Path
from typing import Literal

from PIL import Image, ImageCms

from histospace_core.slides.jpeg_tiles import VENDORS, JpegTiles
from histospace_core.slides.readers.reader import on_white, stated_mpp


class OpenSlideReader:
    """Scanner formats and tiled TIFF; plain JPEG tiles are decoded without OpenSlide."""

    name: Literal["openslide"] = "openslide"
    shared = False
    series = ""
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        import openslide

        self._slide = openslide.OpenSlide(path)
        self.vendor = self._slide.properties.get("openslide.vendor", "unknown")
        plain = self.vendor in VENDORS
        self._tiles = JpegTiles(path, self._slide.level_dimensions) if plain else None
        self.size = self._slide.dimensions
        self.downsamples = tuple(float(d) for d in self._slide.level_downsamples)
        self.mpp = stated_mpp(self._slide.properties, "openslide")
        self.icc_profile = self._profile()

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        if self._tiles and (image := self._tiles.read(level, x, y, w, h)):
            return image
        scale = self.downsamples[level]
        corner = (round(x * scale), round(y * scale))  # level-0 px; the size is in px of the level
        return on_white(self._slide.read_region(corner, level, (w, h)))

    def level_size(self, level: int) -> tuple[int, int]:
        return self._slide.level_dimensions[level]

    def _profile(self) -> bytes | None:
        try:
            profile = self._slide.color_profile
        except ImageCms.PyCMSError:
            return b""
        return profile.tobytes() if profile else None

    def close(self) -> None:
        self._slide.close()
        if self._tiles:
            self._tiles.close()
