from pathlib import Path

import numpy as np
import openslide
import pytest

from histospace_core.slides.jpeg_tiles import JpegTiles

BOXES = [(0, 0, 300, 200), (231, 250, 700, 31), (1700, 2100, 500, 600)]


@pytest.mark.shared
def test_pixels_are_those_of_openslide(shared: Path) -> None:
    path = shared / "slides" / "CMU-1-Small-Region.svs"
    with openslide.OpenSlide(path) as slide:
        tiles = JpegTiles(path, slide.level_dimensions)
        for x, y, w, h in BOXES:
            expected = np.asarray(slide.read_region((x, y), 0, (w, h)).convert("RGB"))
            found = tiles.read(0, x, y, w, h)
            assert found is not None
            assert np.array_equal(np.asarray(found), expected)
        tiles.close()


@pytest.mark.shared
def test_tiles_of_another_kind_are_left_to_openslide(shared: Path) -> None:
    path = shared / "slides" / "TCGA-CR-7395-01A-01-TS1.svs"  # JPEG 2000
    with openslide.OpenSlide(path) as slide:
        tiles = JpegTiles(path, slide.level_dimensions)
    assert tiles.read(0, 0, 0, 100, 100) is None
    tiles.close()
