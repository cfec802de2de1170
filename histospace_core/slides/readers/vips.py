"""Flat images through libvips."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.formats import FlatKind
from histospace_core.slides.tiff_images import TiffImage

MAX_FLAT_PIXELS = 2_000_000_000
"""Largest flat image accepted; it must be decoded to a temporary file before a region is read."""


class VipsReader:
    """PNG, JPEG and plain TIFF: one level, no pixel size (a dpi tag does not describe the tissue).

    EXIF orientation is ignored, so that positions that other programs measured on the stored pixels
    stay valid.
    """

    name: Literal["vips"] = "vips"
    shared = True
    downsamples: tuple[float, ...] = (1.0,)

    def __init__(
        self, path: Path, kind: FlatKind, page: int = 0, tiff: TiffImage | None = None
    ) -> None:
        import pyvips

        loaders: dict[str, Callable[..., Any]] = {
            "png": pyvips.Image.pngload,
            "jpeg": pyvips.Image.jpegload,
            "tiff": pyvips.Image.tiffload,
        }
        options: dict[str, Any] = {"page": page} if kind == "tiff" else {}
        image = loaders[kind](
            os.fsencode(path),
            access="random",
            fail_on="truncated",  # otherwise a truncated image silently comes back grey
            revalidate=True,  # otherwise libvips returns what this path held before
            **options,
        )
        if image.width * image.height > MAX_FLAT_PIXELS:
            raise SlideError(
                f"{image.width} x {image.height} px is too large for a flat image (at most "
                f"{MAX_FLAT_PIXELS / 1e9:g} gigapixels)",
                path=path,
                remedy="save it as a tiled pyramid",
            )
        if image.format != "uchar" or image.interpretation != "srgb" or image.bands not in (3, 4):
            raise SlideError(
                f"{image.bands} channel(s) of {_colours(image)} are not 8-bit colour",
                path=path,
                remedy="save the H&E scan as 8-bit RGB",
            )
        embeds = "icc-profile-data" in image.get_fields()
        self.icc_profile: bytes | None = image.get("icc-profile-data") if embeds else None
        self.series = tiff.series if tiff else ""
        self.notes: tuple[str, ...] = tiff.notes if tiff else ()
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


def _colours(image: Any) -> str:
    """Return what the pixels of an image are, in words."""
    kind = {"cmyk": "CMYK", "b-w": "grey", "grey16": "grey", "lab": "CIELab", "labs": "CIELab"}
    bits = {"uchar": "8-bit", "ushort": "16-bit", "float": "float", "double": "float"}
    colours = kind.get(image.interpretation, image.interpretation)
    return f"{bits.get(image.format, image.format)} {colours}"
