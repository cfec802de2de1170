"""The OpenSlide reader; that its pixels are OpenSlide's is tested in `test_choose`."""

from pathlib import Path

import pytest

from histospace_core.slides.formats import open_tiff
from histospace_core.slides.readers.openslide import OpenSlideReader
from histospace_core.slides.tiff_images import plain_image

FILES = Path("/proc/self/fd")


@pytest.mark.skipif(not FILES.exists(), reason="counts open files by /proc")
def test_a_damaged_page_leaves_no_open_file(tiled_jpeg_tiff: Path) -> None:
    before = len(list(FILES.iterdir()))
    tiff = open_tiff(tiled_jpeg_tiff)
    image = plain_image(tiff, None, tiled_jpeg_tiff)
    image.levels[0][0].dataoffsets = ()
    with pytest.raises(ValueError, match="the table of tiles is damaged"):
        OpenSlideReader(tiled_jpeg_tiff, tiff, image)
    tiff.close()
    assert len(list(FILES.iterdir())) == before
