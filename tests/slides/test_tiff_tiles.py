from pathlib import Path

import numpy as np
import openslide
import pytest

from histospace_core.slides.formats import open_tiff
from histospace_core.slides.tiff_tiles import TiledPage, is_plain_jpeg

BOXES = [(0, 0, 300, 200), (231, 250, 700, 31), (1700, 2100, 500, 600)]


@pytest.mark.shared
def test_pixels_are_those_of_openslide(shared: Path) -> None:
    path = shared / "slides" / "CMU-1-Small-Region.svs"
    with openslide.OpenSlide(path) as slide, open_tiff(path) as tiff:
        assert is_plain_jpeg(tiff.pages[0])
        page = TiledPage(tiff.pages[0], tiff.filehandle.fileno())
        for x, y, w, h in BOXES:
            expected = np.asarray(slide.read_region((x, y), 0, (w, h)).convert("RGB"))
            assert np.array_equal(page.read(x, y, w, h), expected)


@pytest.mark.shared
def test_tiles_of_another_kind_are_left_to_openslide(shared: Path) -> None:
    with open_tiff(shared / "slides" / "TCGA-CR-7395-01A-01-TS1.svs") as tiff:  # JPEG 2000
        assert not is_plain_jpeg(tiff.pages[0])
