"""Deep zoom: the pyramid's geometry, and tiles held against the slide read directly."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openslide import OpenSlide
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.deep_zoom import DeepZoomSlide, Pyramid
from histospace_core.slides.open import open_slide

SIDES = st.integers(1, 200_000)
SIDE = 2100


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat image, finer than the overview that coarse levels are cut from."""
    blots = np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    path = tmp_path_factory.mktemp("slide") / "slide.png"
    Image.fromarray(blots).resize((SIDE, SIDE)).save(path, compress_level=1)
    return path


@given(SIDES, SIDES, st.data())
def test_the_tiles_of_a_level_cover_the_picture_once(width, height, data):
    pyramid = Pyramid(width, height)
    level = data.draw(st.integers(pyramid.first, pyramid.last))
    columns, rows = pyramid.shape(level)
    down = pyramid.downsample(level)
    across = [pyramid.box(level, c, 0) for c in range(min(columns, 50))]
    assert [b.x for b in across] == [c * 512 * down for c in range(len(across))]
    last = pyramid.box(level, columns - 1, rows - 1)
    assert (last.x + last.w, last.y + last.h) == (width, height)
    assert all(b.out_w == -(-b.w // down) <= 512 for b in [*across, last])


@given(SIDES, SIDES)
def test_the_first_level_is_one_tile_and_the_last_the_full_resolution(width, height):
    pyramid = Pyramid(width, height)
    assert pyramid.shape(pyramid.first) == (1, 1)
    assert pyramid.downsample(pyramid.last) == 1


@pytest.mark.parametrize("tile", [(99, 0, 0), (8, 0, 0), (-1, 0, 0), (11, 3, 0), (11, 0, -1)])
def test_tiles_that_do_not_exist_are_refused(tile):
    with pytest.raises(IndexError, match="no tile"):
        Pyramid(1400, 1400).box(*tile)


def test_tiles_are_the_slide(file: Path):
    deep = DeepZoomSlide(file)
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB"))
    level = deep.pyramid.last
    np.testing.assert_array_equal(deep.tile(level, 1, 2), pixels[1024:1536, 512:1024])
    assert deep.tile(level, 4, 4).shape == (52, 52, 3)  # the rest at the corner
    with open_slide(file) as slide:
        half = slide.read(1024, 0, 1024, 1024, 512, 512).astype(int)
    assert np.abs(deep.tile(level - 1, 1, 0) - half).mean() < 6  # cut from the overview


def test_many_threads_get_the_same_tiles(file: Path):
    deep = DeepZoomSlide(file)
    level = deep.pyramid.last
    places = [(level - c % 2, c % 3, r) for c in range(6) for r in range(3)]
    alone = [deep.tile(*place) for place in places]
    with ThreadPoolExecutor(6) as pool:
        for one, other in zip(alone, pool.map(lambda p: deep.tile(*p), places), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_file_is_closed_with_the_last_user(file: Path):
    deep = DeepZoomSlide(file)
    slide = deep._slide
    del deep
    gc.collect()
    with pytest.raises(SlideError, match="closed"):
        slide.read(0, 0, 10, 10, 10, 10)


@pytest.mark.shared
def test_a_scanned_slide_with_label_and_macro_shows_only_tissue(shared: Path):
    file = shared / "slides" / "CMU-1-Small-Region.svs"
    if not file.exists():
        pytest.skip("no scanned slide in shared/slides")
    deep = DeepZoomSlide(file)
    top = Image.fromarray(deep.tile(deep.pyramid.first, 0, 0)).resize((24, 32))
    with OpenSlide(file) as scan:
        assert (deep.pyramid.width, deep.pyramid.height) == scan.dimensions
        pictures = {"tissue": scan.get_thumbnail((512, 512)), **scan.associated_images}
    assert {"label", "macro"} & pictures.keys(), "the file has what must not be shown"
    distance = {
        name: np.abs(np.asarray(top, int) - np.asarray(p.convert("RGB").resize((24, 32)))).mean()
        for name, p in pictures.items()
        if name != "thumbnail"
    }
    assert min(distance, key=distance.__getitem__) == "tissue"
    assert distance["tissue"] < 4
