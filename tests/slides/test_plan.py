import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from histospace_core.errors import SlideError, TissueError
from histospace_core.slides.open import Slide, open_slide
from histospace_core.slides.plan import BLOCK_PX, TilePlan, plan_tiles
from histospace_core.slides.tissue import Tissue, find_tissue


def blank_slide(folder: Path, width: int, height: int, mpp: float) -> Slide:
    path = folder / f"{width}x{height}.png"
    Image.new("RGB", (width, height), "white").save(path)
    return open_slide(path, mpp)


def everywhere(slide: Slide) -> Tissue:
    return Tissue(np.ones((slide.height, slide.width), bool), 1, 1, slide.mpp)


def corners(plan: TilePlan) -> np.ndarray:
    """The tiles' corners as the blocks have them, in model px."""
    return np.concatenate(
        [np.round([b.x / plan.scale, b.y / plan.scale]) + b.offsets for b in plan.blocks]
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(40, 900),
    height=st.integers(40, 900),
    mpp=st.floats(0.1, 3.9),
    tile_px=st.integers(8, 200),
    um_per_px=st.floats(0.3, 2),
    stride=st.floats(0.2, 2),
    seed=st.integers(0, 99),
)
def test_every_tile_in_exactly_one_block(
    tmp_path: Path,
    width: int,
    height: int,
    mpp: float,
    tile_px: int,
    um_per_px: float,
    stride: float,
    seed: int,
) -> None:
    apart = max(1, stride * tile_px) * um_per_px / mpp  # px of the slide
    assume(width * height < 100_000 * apart**2)  # millions would fill the memory
    mask = np.random.default_rng(seed).random((13, 11)) < 0.7
    with blank_slide(tmp_path, width, height, mpp) as slide:
        tissue = Tissue(mask, width / 11, height / 13, 8.0)
        try:
            plan = plan_tiles(
                slide,
                tissue,
                tile_px=tile_px,
                um_per_px=um_per_px,
                stride_um=stride * tile_px * um_per_px,
            )
        except TissueError:
            return
    assert [block.index for block in plan.blocks] == list(range(len(plan.blocks)))
    numbers = np.concatenate([np.arange(plan.n_tiles)[block.tiles] for block in plan.blocks])
    assert np.array_equal(numbers, np.arange(plan.n_tiles))
    found = corners(plan)
    assert len(np.unique(found, axis=0)) == plan.n_tiles
    assert np.allclose((found + tile_px / 2) * plan.scale, plan.centres)
    for block in plan.blocks:
        assert max(block.w, block.h) <= max(BLOCK_PX, tile_px)
        assert (block.offsets >= 0).all()
        assert (block.offsets + tile_px <= [block.w, block.h]).all()
    assert (plan.tissue_fraction >= 0.5 - 1e-6).all()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(20, 700),
    height=st.integers(20, 700),
    mpp=st.floats(0.2, 3),
    stride=st.floats(0.2, 1),
)
def test_tissue_at_the_edges_is_covered(
    tmp_path: Path, width: int, height: int, mpp: float, stride: float
) -> None:
    with blank_slide(tmp_path, width, height, mpp) as slide:
        plan = plan_tiles(
            slide, everywhere(slide), tile_px=64, stride_um=stride * 64 * 0.69, min_tissue=0.0
        )
    reach = plan.centres + plan.tile_level0 / 2
    assert reach[:, 0].max() >= width - 1e-6
    assert reach[:, 1].max() >= height - 1e-6
    assert (plan.centres - plan.tile_level0 / 2).min() == pytest.approx(0)
    assert (plan.centres - plan.tile_level0 / 2 < [width, height]).all()
    assert plan.excluded == {"background": 0}


def test_lengths(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        plan = plan_tiles(slide, find_tissue(slide), um_per_px=1.38, stride_um=100)
    assert plan.tile_um == pytest.approx(128 * 1.38)
    assert plan.tile_level0 == pytest.approx(256)
    assert plan.stride_px == 72
    assert plan.stride_um == pytest.approx(72 * 1.38)
    assert math.isclose(np.diff(np.unique(plan.centres[:, 0])).min(), 144)
    assert plan.notes == []


def test_a_coarse_slide_is_noted(png: Path) -> None:
    with open_slide(png, 2.8) as slide:
        plan = plan_tiles(slide, find_tissue(slide))
    assert "coarser (2.8 um/px) than the model expects (0.69 um/px)" in plan.notes[0]


@pytest.mark.parametrize("stride", [0.0, -5.0, math.nan, math.inf])
def test_what_is_no_stride(png: Path, mpp: float, stride: float) -> None:
    with (
        open_slide(png, mpp) as slide,
        pytest.raises(SlideError, match="um is impossible"),
    ):
        plan_tiles(slide, everywhere(slide), stride_um=stride)


def test_too_many_tiles(tmp_path: Path) -> None:
    with (
        blank_slide(tmp_path, 5000, 5000, 0.69) as slide,
        pytest.raises(SlideError, match="choose a larger stride"),
    ):
        plan_tiles(slide, Tissue(np.ones((5, 5), bool), 1000, 1000, 690), stride_um=0.69)


def test_too_little_tissue_in_any_tile(tmp_path: Path) -> None:
    mask = np.zeros((20, 20), bool)
    mask[0, 0] = True
    with (
        blank_slide(tmp_path, 1000, 1000, 0.69) as slide,
        pytest.raises(TissueError, match="no tile of 88 um holds 50% tissue"),
    ):
        plan_tiles(slide, Tissue(mask, 50, 50, 34.5))
