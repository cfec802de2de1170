"""Flat images: one level, decoded by libvips."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.open import RGB, open_slide


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    """libvips remembers images by their path."""
    path = tmp_path / "slide.png"
    for value in (40, 200):
        Image.new("RGB", (64, 48), (value, value, value)).save(path)
        with open_slide(path) as slide:
            assert np.unique(slide.read(0, 0, 64, 48, 64, 48)).tolist() == [value]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_an_orientation_is_noted(pixels: RGB, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"slide.{suffix}"
    exif = Image.Exif()
    exif[274] = 6
    options = {"tiffinfo": {274: 6}} if suffix == "tif" else {"exif": exif}
    Image.fromarray(pixels).save(path, **options)
    with open_slide(path) as slide:
        assert (slide.width, slide.height) == pixels.shape[1::-1]
        assert "asks to be shown turned or mirrored" in " ".join(slide.properties.notes)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "jpeg"])
def test_a_damaged_strip_is_refused(pixels: RGB, tmp_path: Path, compression: str) -> None:
    path = tmp_path / "slide.tif"
    strips = {"photometric": "rgb", "rowsperstrip": 64, "compression": compression}
    tifffile.imwrite(path, pixels, **strips)
    with tifffile.TiffFile(path) as tiff:
        start, size = tiff.pages.first.dataoffsets[3], tiff.pages.first.databytecounts[3]
    content = bytearray(path.read_bytes())
    content[start + size // 3 : start + size] = bytes(size - size // 3)
    path.write_bytes(content)
    with open_slide(path) as slide, pytest.raises(SlideError, match="cannot be read"):
        slide.read(0, 0, 512, 512, 512, 512)


def test_damaged_data_of_a_jpeg_are_refused(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "slide.jpg"
    Image.fromarray(pixels).save(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 5000] = bytes(5000)
    path.write_bytes(content)
    with open_slide(path) as slide, pytest.raises(SlideError, match="cannot be read"):
        slide.read(0, 0, 512, 512, 512, 512)


def test_a_profile_that_libpng_drops_is_noted(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "slide.png"
    Image.fromarray(pixels).save(path, icc_profile=b"no profile" * 20)
    with open_slide(path) as slide:
        assert any("profile cannot be used" in note for note in slide.properties.notes)


def test_a_jpeg_that_ends_in_zeros(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "slide.jpg"
    Image.fromarray(pixels).save(path)
    content = path.read_bytes()
    path.write_bytes(content + bytes(200_000))
    with open_slide(path) as slide:
        assert slide.width == pixels.shape[1]
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(200_000))
    with pytest.raises(
        SlideError, match=r"slide\.jpg: it ends in 200,\d\d\d zero bytes.*copy it ag"
    ):
        open_slide(path)
