"""A small H&E-like slide and files made from it."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from builders.slide_files import MPP, make_slide
from PIL import Image

from histospace_core.slides.open import RGB


@pytest.fixture(scope="session")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slide(tmp_path_factory.mktemp("slide") / "section.png")


@pytest.fixture(scope="session")
def mpp() -> float:
    return MPP


@pytest.fixture(scope="session")
def pixels(png: Path) -> RGB:
    return np.asarray(Image.open(png))


@pytest.fixture(scope="session")
def tiled_jpeg_tiff(pixels: RGB, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiled TIFF of JPEG-compressed tiles, as scanners write them."""
    path = tmp_path_factory.mktemp("tiled") / "tiled.tif"
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="jpeg")
    return path


@pytest.fixture
def damaged_tiff(tiled_jpeg_tiff: Path, tmp_path: Path) -> Path:
    """The same with the tile at column 2, row 2 (from 0) overwritten."""
    with tifffile.TiffFile(tiled_jpeg_tiff) as tiff:
        page = tiff.pages[0]
        index = 2 * -(-page.imagewidth // 256) + 2
        offset, count = page.dataoffsets[index], page.databytecounts[index]
    content = bytearray(tiled_jpeg_tiff.read_bytes())
    content[offset : offset + count] = b"\x55" * count
    path = tmp_path / "damaged.tif"
    path.write_bytes(content)
    return path
