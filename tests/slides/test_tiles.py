from pathlib import Path

import numpy as np
import pytest

from histospace_core.slides.open import RGB, open_slide
from histospace_core.slides.plan import plan_tiles
from histospace_core.slides.tiles import (
    SAMPLE_TILES,
    cut_block,
    sample_tiles,
    stream_blocks,
    tiles_at,
)
from histospace_core.slides.tissue import find_tissue
from histospace_core.slides.view import View


def test_tiles_at_are_the_slides_own_pixels(png: Path, pixels: RGB, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        tiles = tiles_at(slide, [[300.4, 512.3], [64, 64], [1400, 1400]])
    assert np.array_equal(tiles[0], pixels[448:576, 236:364])
    assert np.array_equal(tiles[1], pixels[:128, :128])
    assert np.array_equal(tiles[2, :64, :64], pixels[-64:, -64:])
    assert (tiles[2, 64:] == 255).all()


def test_no_centres_no_tiles(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        assert tiles_at(slide, np.empty((0, 2))).shape == (0, 128, 128, 3)


def test_tiles_are_resampled_to_the_models_pixel_size(png: Path, pixels: RGB, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        tile = tiles_at(slide, [[500, 700]], um_per_px=2 * mpp)[0]
    box = pixels[572:828, 372:628].astype(float)
    blocks = box.reshape(128, 2, 128, 2, 3).mean((1, 3))
    assert np.abs(tile - blocks).mean() < 4


@pytest.mark.parametrize("stride_um", [None, 40.0])
def test_cut_tiles_are_the_slides_own_pixels(
    png: Path, pixels: RGB, mpp: float, stride_um: float | None
) -> None:
    padded = np.pad(pixels, ((0, 200), (0, 200), (0, 0)), constant_values=255)
    with open_slide(png, mpp) as slide:
        plan = plan_tiles(slide, find_tissue(slide), stride_um=stride_um)
        seen = 0
        for block in stream_blocks(slide, plan):
            assert block.first == seen
            for tile, centre in zip(block.tiles, plan.centres[seen:], strict=False):
                x, y = (centre - 64).astype(int)
                assert np.array_equal(tile, padded[y : y + 128, x : x + 128])
            seen += len(block.tiles)
            assert block.readable.all()
    assert seen == plan.n_tiles


def test_a_tile_is_the_same_whatever_its_block(png: Path) -> None:
    with open_slide(png, 0.5) as slide:
        plan = plan_tiles(slide, find_tissue(slide))
        for block in stream_blocks(slide, plan):
            alone = tiles_at(slide, plan.centres[block.first : block.first + len(block.tiles)])
            assert np.abs(alone.astype(int) - block.tiles).max() <= 2


def test_several_threads_read_the_same_in_the_same_order(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        plan = plan_tiles(slide, find_tissue(slide), stride_um=30)
        alone = list(stream_blocks(slide, plan))
        together = list(stream_blocks(slide, plan, threads=4))
    assert len(plan.blocks) > 2
    assert [b.first for b in together] == [b.first for b in plan.blocks]
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a.tiles, b.tiles)
        assert all(len(values) == len(b.tiles) for values in b.quality.values())


def test_a_sample_comes_from_all_over_and_is_always_the_same(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        plan = plan_tiles(slide, find_tissue(slide), stride_um=40)
        views = (View(128, mpp), View(32, 4 * mpp))
        tiles, wide = sample_tiles(slide, plan, views)
        again = sample_tiles(slide, plan, views)
    assert tiles.shape == (SAMPLE_TILES, 128, 128, 3)
    assert wide.shape == (SAMPLE_TILES, 32, 32, 3)
    assert np.array_equal(tiles, again[0])


def test_a_reader_may_stop_early(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        stream = stream_blocks(slide, plan_tiles(slide, find_tissue(slide), stride_um=30))
        next(stream)
        stream.close()


def test_damaged_tiles_are_told_from_the_readable(
    damaged_tiff: Path, tiled_jpeg_tiff: Path, mpp: float
) -> None:
    with open_slide(tiled_jpeg_tiff, mpp) as whole, open_slide(damaged_tiff, mpp) as slide:
        plan = plan_tiles(whole, find_tissue(whole))
        expected = np.concatenate([b.tiles for b in stream_blocks(whole, plan)])
        found = list(stream_blocks(slide, plan))
    readable = np.concatenate([b.readable for b in found])
    # the damaged 256 px tile spans 512 to 768: four tiles of 128 px on a grid of 128
    lost = ((plan.centres > 512) & (plan.centres < 768)).all(1)
    assert lost.sum() == 4
    assert np.array_equal(readable, ~lost)
    tiles = np.concatenate([b.tiles for b in found])
    assert np.array_equal(tiles[readable], expected[readable])
    assert (tiles[~readable] == 255).all()
    sharpness = np.concatenate([b.quality["sharpness"] for b in found])
    assert np.array_equal(np.isnan(sharpness), ~readable)
    fraction = np.concatenate([b.quality["tissue_fraction"] for b in found])
    assert np.array_equal(fraction, plan.tissue_fraction)


def test_context_is_what_lies_around_each_centre(png: Path, mpp: float) -> None:
    """At white's edge and inside: a block's context is what reading each tile's alone gives."""
    view = View(64, 4 * mpp)
    with open_slide(png, mpp) as slide:
        plan = plan_tiles(slide, find_tissue(slide), tile_px=128, um_per_px=mpp)
        for block in stream_blocks(slide, plan, context=[view]):
            assert [v.shape[1] for v in block.views] == [128, 64]
            centres = plan.centres[block.first : block.first + len(block.tiles)]
            alone = tiles_at(slide, centres, tile_px=64, um_per_px=view.um_per_px)
            error = np.abs(block.context[0].astype(float) - alone)
            assert error.mean() < 2  # a block's read may begin within a pixel of the view


def test_recolouring_reaches_every_view(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        plan = plan_tiles(slide, find_tissue(slide))
        block = next(stream_blocks(slide, plan, context=[View(32, 2.76)]))
    inverted = block.recoloured(lambda pixels: 255 - pixels)
    for before, after in zip(block.views, inverted.views, strict=True):
        assert np.array_equal(after, 255 - before)


def test_a_blurred_tile_is_less_sharp(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        plan = plan_tiles(slide, find_tissue(slide))
        sharp = cut_block(slide, plan, plan.blocks[0]).quality["sharpness"]
        plan = plan_tiles(slide, find_tissue(slide), um_per_px=mpp / 4)  # four times enlarged
        blurred = cut_block(slide, plan, plan.blocks[len(plan.blocks) // 2]).quality["sharpness"]
    assert blurred.max() < sharp.min()
