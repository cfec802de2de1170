"""Convert the colours of a slide to sRGB by the ICC profile that the file embeds."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

_SHADES = 17  # of each channel, in the colours that tell whether a conversion changes anything
_NAME = 80  # characters


@dataclass(frozen=True)
class ColourConversion:
    """What is done to the colours of a slide.

    Attributes
    ----------
    name : str
        Description in the profile by which the colours are understood; "" if none is used.
    note : str
        A sentence on why a profile of the file is not used; "" otherwise.
    transform : ImageCmsTransform or None
        None if the colours stay as they are.
    keeps_white : bool
        Whether white stays white.
    """

    name: str = ""
    note: str = ""
    transform: ImageCms.ImageCmsTransform | None = None
    keeps_white: bool = True

    def apply(self, image: Image.Image) -> Image.Image:
        """Return an RGB image in sRGB; several threads may call this at a time."""
        if self.transform is None:
            return image
        converted = ImageCms.applyTransform(image, self.transform)
        assert converted is not None, "only a transform in place returns None"
        return converted


def conversion_of(profile: bytes | None, *, wanted: bool = True) -> ColourConversion:
    """Return the conversion to sRGB from an embedded profile, with the profile's own intent.

    Parameters
    ----------
    profile
        ICC profile of 8-bit RGB pixels; None if the file embeds none.
    wanted
        False leaves the colours as they are.
    """
    if profile is None:
        return ColourConversion()
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = _described(source)
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            "RGB",
            "RGB",
            renderingIntent=ImageCms.Intent(ImageCms.getDefaultIntent(source)),
        )
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return ColourConversion(
            note="The colours are as the file stores them: its colour profile cannot be used."
        )
    if not wanted:
        return ColourConversion(
            note=f"The colours are as the file stores them: its colour profile ({name}) is not "
            "used, as asked."
        )
    shades = np.linspace(0, 255, _SHADES).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(shades, shades, shades), -1).reshape(_SHADES, -1, 3)
    found = ColourConversion(name, transform=transform)
    changed = np.asarray(found.apply(Image.fromarray(grid))).astype(int) - grid
    if abs(changed).max() <= 1:  # sRGB in another wording, apart from rounding
        return ColourConversion(name)
    return ColourConversion(name, "", transform, keeps_white=not changed[-1, -1].any())


def _described(profile: ImageCms.ImageCmsProfile) -> str:
    words = " ".join(ImageCms.getProfileDescription(profile).split())
    shown = "".join(letter for letter in words if letter.isprintable())[:_NAME]
    return shown or "unnamed"
