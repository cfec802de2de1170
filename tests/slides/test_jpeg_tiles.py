"""Damaged JPEG tiles are refused where OpenSlide refuses them, and are never grey."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openslide
import pytest
import pyvips
import tifffile

from histospace_core.errors import SlideError
from histospace_core.slides.jpeg_tiles import (
    decode_jpeg,
    looks_whole,
    refuse_damaged,
    refuse_unfinished,
)
from histospace_core.slides.open import RGB, open_slide

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "stop": lambda tile: _replaced(tile, b"\xff\xd9"),
    "other": lambda tile: _replaced(tile, b"\xff\x31" * 300),
}
LOOKS = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg"}


def _replaced(tile: bytes, part: bytes) -> bytes:
    half = len(tile) // 2
    return (tile[:half] + part + tile[half + len(part) :])[: len(tile)]


def write(path: Path, pixels: RGB, damage: Callable[[bytes], bytes]) -> bytes:
    """Write a slide whose second tile is damaged; return the whole tile."""
    tifffile.imwrite(path, pixels[400:912, 400:912], **LOOKS)  # type: ignore[arg-type]
    with tifffile.TiffFile(path) as tiff:
        start, size = tiff.pages.first.dataoffsets[1], tiff.pages.first.databytecounts[1]
    content = bytearray(path.read_bytes())
    tile = bytes(content[start : start + size])
    content[start : start + size] = damage(tile)
    path.write_bytes(content)
    return tile


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_a_damaged_tile(pixels: RGB, tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"slide{suffix}"
    tile = write(path, pixels, DAMAGES[name])
    with openslide.OpenSlide(path) as slide, pytest.raises(openslide.OpenSlideError):
        slide.read_region((256, 0), 0, (256, 256))
    with open_slide(path) as ours:
        assert ours.properties.reader == ("openslide" if suffix == ".tif" else "tifffile")
        with pytest.raises(SlideError, match="the region at x 256, y 0 cannot be read"):
            ours.read(256, 0, 256, 256, 256, 256)
        assert ours.read(0, 256, 256, 256, 256, 256).any()
    assert looks_whole(tile)
    assert not looks_whole(DAMAGES[name](tile))
    with pytest.raises(pyvips.Error):
        refuse_damaged(DAMAGES[name](tile), None)


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_a_tile_that_was_not_copied_to_its_end(pixels: RGB, tmp_path: Path, suffix: str) -> None:
    """OpenSlide may read it."""
    path = tmp_path / f"slide{suffix}"
    tile = write(path, pixels, lambda tile: _replaced(tile, bytes(len(tile) // 2 + 1)))
    with open_slide(path) as slide, pytest.raises(SlideError, match="a JPEG tile ends in zeros"):
        slide.read(256, 0, 256, 256, 256, 256)
    refuse_unfinished(tile + bytes(99))


def test_what_is_unusual_but_whole_is_read(pixels: RGB, tmp_path: Path) -> None:
    tile = write(tmp_path / "slide.tif", pixels, lambda tile: tile)
    followed = tile + b"more"
    assert looks_whole(tile + bytes(3))
    assert not looks_whole(followed)
    assert not looks_whole(_replaced(tile, bytes(64)))
    refuse_damaged(followed, None)
    found = decode_jpeg(followed, None, "YCBCR", (256, 256))
    assert np.array_equal(found, decode_jpeg(tile, None, "YCBCR", (256, 256)))
    with pytest.raises(ValueError, match="is 256 x 256 px, not 128 x 256"):
        decode_jpeg(tile, None, "YCBCR", (256, 128))


def test_a_tile_that_reaches_beyond_the_file(pixels: RGB, tmp_path: Path) -> None:
    """OpenSlide would end the process, for lack of memory."""
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, pixels[400:912, 400:912], bigtiff=True, **LOOKS)  # type: ignore[arg-type]
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags["TileByteCounts"]
        assert tag.dtype == 4
        place = tag.valueoffset
    content = bytearray(path.read_bytes())
    content[place + 3] = 0xFF
    path.write_bytes(content)
    with open_slide(path) as slide, pytest.raises(SlideError, match="beyond the end of the file"):
        slide.read(0, 0, 256, 256, 256, 256)
