"""Flat images through libvips."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.formats import FlatKind
from histospace_core.slides.tiff_images import TURNED, TiffImage
from histospace_core.slides.tiff_tiles import JPEG, is_premultiplied

MAX_FLAT_PIXELS = 2_000_000_000
"""Largest flat image accepted; it must be decoded to a temporary file before a region is read."""
_HEAD = 1 << 16  # bytes of a PNG in which a profile begins
_ZEROS = 16  # at the end of a JPEG


class VipsReader:
    """PNG, JPEG and plain TIFF: one level, no pixel size (a dpi tag does not describe the tissue).

    EXIF orientation is only noted, so that positions that other programs measured on the stored
    pixels stay valid.
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
            # Otherwise what cannot be decoded is grey or black; libjpeg only warns of damage.
            fail_on="warning" if kind == "jpeg" or _is_jpeg(tiff) else "error",
            revalidate=True,  # otherwise libvips returns what this path held before
            **options,
        )
        if kind == "jpeg":
            _refuse_unfinished(path)
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
        self.icc_profile: bytes | None = _field(image, "icc-profile-data")
        if self.icc_profile is None and kind == "png" and _names_profile(path):
            self.icc_profile = b""  # libpng drops one that it finds faulty
        self.series = tiff.series if tiff else ""
        turned = tiff is None and (_field(image, "orientation") or 1) != 1
        self.notes: tuple[str, ...] = (*(tiff.notes if tiff else ()), *([TURNED] if turned else []))
        self._image: Any = _on_white(image, tiff)
        self.vendor: str = kind
        self.size = (image.width, image.height)
        self.mpp: tuple[float, float] | None = None

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        return Image.fromarray(self._image.crop(x, y, w, h).numpy())

    def level_size(self, level: int) -> tuple[int, int]:
        return self.size

    def close(self) -> None:
        self._image = None


def _refuse_unfinished(path: Path) -> None:
    """Refuse a JPEG that has no end but zeros; libjpeg would paint them in some colour."""
    with path.open("rb") as file:
        at = size = file.seek(0, os.SEEK_END)
        tail = b""
        while at and not tail:
            at = file.seek(max(0, at - _HEAD))
            tail = file.read(_HEAD).rstrip(b"\0")
        file.seek(max(0, at + len(tail) - 2))
        last = file.read(2)
    zeros = size - at - len(tail)
    if zeros >= _ZEROS and last != b"\xff\xd9":
        raise SlideError(
            f"it ends in {zeros:,} zero bytes, as a copy that was broken off does",
            path=path,
            remedy="copy it again",
        )


def _field(image: Any, name: str) -> Any:
    return image.get(name) if name in image.get_fields() else None


def _names_profile(path: Path) -> bool:
    """Return whether a PNG has a colour profile, which comes before its pixels."""
    with path.open("rb") as file:
        return b"iCCP" in file.read(_HEAD).partition(b"IDAT")[0]


def _is_jpeg(tiff: TiffImage | None) -> bool:
    return tiff is not None and tiff.levels[0][0].compression == JPEG


def _on_white(image: Any, tiff: TiffImage | None) -> Any:
    if image.bands == 3:
        return image
    page = tiff.levels[0][0] if tiff else None
    # libvips undoes associated alpha, but takes an unspecified extra sample for unassociated.
    if page and is_premultiplied(page) and page.extrasamples[0] == 0:
        return (image[:3] + (255 - image[3])).cast("uchar")
    return image.flatten(background=[255, 255, 255])


def _colours(image: Any) -> str:
    """Return what the pixels of an image are, in words."""
    kind = {"cmyk": "CMYK", "b-w": "grey", "grey16": "grey", "lab": "CIELab", "labs": "CIELab"}
    bits = {"uchar": "8-bit", "ushort": "16-bit", "float": "float", "double": "float"}
    colours = kind.get(image.interpretation, image.interpretation)
    return f"{bits.get(image.format, image.format)} {colours}"
