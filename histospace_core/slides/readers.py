"""Three libraries behind one small interface: regions of 8-bit RGB from a pyramid level.

OpenSlide reads scanner formats, tiffslide the OME-TIFF pyramids that OpenSlide does not see, and
libvips flat images (PNG, JPEG, striped TIFF), which it decodes once to a temporary file, so that no
image is ever held in memory in full.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.content import dicom_instance
from histospace_core.slides.formats import (
    FlatKind,
    TiffFacts,
    library_reason,
    ome_pixel_size,
    read_tiff_facts,
    sniff,
)
from histospace_core.slides.jpeg_tiles import VENDORS, JpegTiles

MAX_FLAT_PIXELS = 2_000_000_000
"""Largest flat image accepted; it must be decoded to a temporary file before a region is read."""


class Reader(Protocol):
    """A slide opened by one library; regions must lie within their level."""

    vendor: str
    size: tuple[int, int]
    mpp: tuple[float, float] | None
    shared: bool
    """Whether one handle serves all threads, because another would decode the whole file again."""

    @property
    def name(self) -> Literal["openslide", "tiffslide", "vips"]: ...

    @property
    def downsamples(self) -> tuple[float, ...]: ...

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        """Return the RGB image of a box in px of `level`; raise whatever the library raises."""
        ...

    def level_size(self, level: int) -> tuple[int, int]:
        """Return width and height of a level, px."""
        ...

    def close(self) -> None: ...


def _on_white(image: Image.Image) -> Image.Image:
    """Composite on white, so that areas that were not scanned look like empty glass."""
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _stated(properties: Any, prefix: str) -> tuple[float, float] | None:
    try:
        return float(properties[f"{prefix}.mpp-x"]), float(properties[f"{prefix}.mpp-y"])
    except (KeyError, TypeError, ValueError):
        return None


class OpenSlideReader:
    """Scanner formats and tiled TIFF; plain JPEG tiles are decoded without OpenSlide."""

    name: Literal["openslide"] = "openslide"
    shared = False

    def __init__(self, path: Path) -> None:
        import openslide

        self._slide = openslide.OpenSlide(path)
        self.vendor = self._slide.properties.get("openslide.vendor", "unknown")
        plain = self.vendor in VENDORS
        self._tiles = JpegTiles(path, self._slide.level_dimensions) if plain else None
        self.size = self._slide.dimensions
        self.downsamples = tuple(float(d) for d in self._slide.level_downsamples)
        self.mpp = _stated(self._slide.properties, "openslide")

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        if self._tiles and (image := self._tiles.read(level, x, y, w, h)):
            return image
        scale = self.downsamples[level]
        corner = (round(x * scale), round(y * scale))  # level-0 px; the size is in px of the level
        return _on_white(self._slide.read_region(corner, level, (w, h)))

    def level_size(self, level: int) -> tuple[int, int]:
        return self._slide.level_dimensions[level]

    def close(self) -> None:
        self._slide.close()
        if self._tiles:
            self._tiles.close()


class TiffSlideReader:
    """OME-TIFF, whose pyramid is in sub-images, and tiled TIFF that OpenSlide does not support."""

    name: Literal["tiffslide"] = "tiffslide"
    shared = False

    def __init__(self, path: Path, facts: TiffFacts) -> None:
        import tiffslide

        self._slide = tiffslide.TiffSlide(path)
        self.size = self._slide.dimensions
        self.downsamples = tuple(float(d) for d in self._slide.level_downsamples)
        if facts.is_ome:
            self.vendor: str = "ome-tiff"
            self.mpp = ome_pixel_size(facts.description, self.size)
        else:
            self.vendor = self._slide.properties["tiffslide.vendor"] or "tiff"
            self.mpp = _stated(self._slide.properties, "tiffslide")

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        scale = self.downsamples[level]
        # tiffslide divides by the downsample and truncates, so aim at the middle of the pixel
        corner = (int((x + 0.5) * scale), int((y + 0.5) * scale))
        pixels = np.asarray(self._slide.read_region(corner, level, (w, h), as_array=True))
        image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))
        return image if image.mode == "RGB" else _on_white(image)

    def level_size(self, level: int) -> tuple[int, int]:
        return self._slide.level_dimensions[level]

    def close(self) -> None:
        self._slide.close()


class VipsReader:
    """PNG, JPEG and plain TIFF: one level, no pixel size (a dpi tag does not describe the tissue).

    EXIF orientation is ignored, so that positions that other programs measured on the stored pixels
    stay valid.
    """

    name: Literal["vips"] = "vips"
    shared = True
    downsamples: tuple[float, ...] = (1.0,)

    def __init__(self, path: Path, kind: FlatKind) -> None:
        import pyvips

        loaders: dict[str, Callable[..., Any]] = {
            "png": pyvips.Image.pngload,
            "jpeg": pyvips.Image.jpegload,
            "tiff": pyvips.Image.tiffload,
        }
        # without fail_on, a truncated image silently comes back grey
        image = loaders[kind](os.fsencode(path), access="random", fail_on="truncated")
        if image.width * image.height > MAX_FLAT_PIXELS:
            raise SlideError(
                f"{image.width} x {image.height} px is too large for a flat image (at most "
                f"{MAX_FLAT_PIXELS / 1e9:g} gigapixels)",
                path=path,
                remedy="save it as a tiled pyramid",
            )
        if image.format != "uchar" or image.interpretation != "srgb" or image.bands not in (3, 4):
            raise SlideError(
                f"{image.bands} channel(s) of {image.format} ({image.interpretation}) are not "
                "8-bit colour",
                path=path,
                remedy="save the H&E scan as 8-bit RGB",
            )
        self._image: Any = image.flatten(background=[255, 255, 255]) if image.bands == 4 else image
        self.vendor: str = kind
        self.size = (image.width, image.height)
        self.mpp: tuple[float, float] | None = None

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        return Image.fromarray(self._image.crop(x, y, w, h).numpy())

    def level_size(self, level: int) -> tuple[int, int]:
        return self.size

    def close(self) -> None:
        self._image = None


def open_reader(path: Path) -> Reader:
    """Choose the library by the file's content, and open the file with it.

    Raises
    ------
    SlideError
        No library can open the file, or it is not a slide in 8-bit colour.
    """
    try:
        file = dicom_instance(path) if path.is_dir() else path
        if file.exists() and not file.is_file():
            raise SlideError("it is neither a file nor a folder of DICOM files.", path=path)
        kind = sniff(file)
    except FileNotFoundError:
        raise SlideError("there is no such file", path=path, remedy="check the path") from None
    except PermissionError:
        raise SlideError(
            "the file may not be read", path=path, remedy="check its permissions"
        ) from None
    except (OSError, ValueError) as error:
        # A path that no system call accepts (a null byte, say) cannot be shown as it is.
        raise SlideError(f"{path.name[:80]!a}: the file cannot be opened ({error}).") from None
    facts = read_tiff_facts(file) if kind == "tiff" else None
    try:
        if facts and facts.is_ome:
            return TiffSlideReader(file, facts)
        import openslide

        try:
            return OpenSlideReader(file)
        except openslide.OpenSlideUnsupportedFormatError:
            if path.suffix.lower() == ".mrxs":  # the file alone is a JPEG preview
                raise SlideError(
                    f"the folder {path.stem} that belongs to it is missing or incomplete",
                    path=path,
                    remedy="put that folder beside the file",
                ) from None
            if kind is None:
                raise
            if facts and facts.is_tiled:
                return TiffSlideReader(file, facts)
            return VipsReader(file, kind)
    except (SlideError, MemoryError):  # the probe reports lack of memory as such
        raise
    except Exception as error:
        raise SlideError(
            f"not a slide that can be read{library_reason(error, file)}",
            path=path,
            remedy="export it again as SVS, NDPI, OME-TIFF, TIFF, PNG or JPEG",
        ) from error
