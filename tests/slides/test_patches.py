"""Windows are pooled over the cells of the patches that they touch."""

from pathlib import Path

import numpy as np
import pytest
from builders.slide_files import MPP, make_slide

from histospace_core.slides.open import open_slide
from histospace_core.slides.patches import CELL_PX, CELLS, PATCH_PX, Windows, cut_windows, groups
from histospace_core.slides.pooling import window_maxima, window_means
from histospace_core.slides.quality import measure_tiles, measure_windows
from histospace_core.slides.view import View

VIEW = View(PATCH_PX, 1.38)


@pytest.fixture
def windows() -> Windows:
    """A rectangle of 3 x 4 patches, one of them not needed."""
    rng = np.random.default_rng(0)
    places = np.argwhere(np.ones((3, 4)))[:-1]
    patches = rng.integers(0, 256, (11, PATCH_PX, PATCH_PX, 3), dtype=np.uint8)
    corners = np.array([[0, 0], [8, 8], [3.25, 5.5], [11.9, 0.1], [15.5, 15.5]])
    return Windows(patches, places, (3, 4), corners, np.ones(5, bool))


def _fine(maps: np.ndarray, windows: Windows, parts: int) -> np.ndarray:
    """Return the cells divided into `parts` x `parts` equal ones, (rows, columns, c)."""
    rows, columns = windows.shape
    whole = np.zeros((rows * CELLS, columns * CELLS, maps.shape[1]))
    for (row, column), patch in zip(windows.places, maps, strict=True):
        here = slice(row * CELLS, (row + 1) * CELLS), slice(column * CELLS, (column + 1) * CELLS)
        whole[here] = patch.transpose(1, 2, 0)
    return whole.repeat(parts, 0).repeat(parts, 1)


def test_a_mean_counts_each_cell_by_its_area(windows: Windows) -> None:
    maps = np.random.default_rng(1).normal(size=(11, 3, CELLS, CELLS)).astype(np.float32)
    found = window_means(maps, windows)
    fine = _fine(maps, windows, 20)
    for value, (x, y) in zip(found, windows.corners, strict=True):
        left, top = round(x * 20), round(y * 20)
        side = CELLS * 20
        np.testing.assert_allclose(
            value, fine[top : top + side, left : left + side].mean((0, 1)), atol=1e-6
        )


def test_a_maximum_is_over_as_many_whole_cells_as_a_window_holds(windows: Windows) -> None:
    maps = np.random.default_rng(2).random((11, 3, CELLS, CELLS)).astype(np.float32)
    found = window_maxima(maps, windows)
    cells = _fine(maps, windows, 1)
    for value, (x, y) in zip(found, np.rint(windows.corners).astype(int), strict=True):
        np.testing.assert_array_equal(value, cells[y : y + CELLS, x : x + CELLS].max((0, 1)))


def test_the_quality_of_a_patch_is_that_of_the_tile_it_is(windows: Windows) -> None:
    tiles = Windows.of_views(windows.patches)
    expected, found = measure_tiles(windows.patches), measure_windows(tiles)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-3, err_msg=name)


def test_only_patches_under_a_window_are_read(tmp_path: Path) -> None:
    side = PATCH_PX * VIEW.um_per_px / MPP
    with open_slide(make_slide(tmp_path / "slide.png"), MPP) as slide:
        on_grid = cut_windows(slide, VIEW, np.array([[1.5, 1.5], [4.5, 2.5]]) * side)
        between = cut_windows(slide, VIEW, np.array([[2.0, 2.0]]) * side)
        outside = cut_windows(slide, VIEW, np.array([[-5.0, -5.0]]) * side)
    assert on_grid.places.tolist() == [[0, 0], [1, 3]]
    np.testing.assert_array_equal(on_grid.corners, [[0, 0], [24, 8]])
    assert len(between.patches) == 4
    np.testing.assert_array_equal(between.corners, [[4, 4]])
    assert (outside.patches == 255).all()


@pytest.mark.parametrize("um_per_px", [1.38, 5.52, 22.08])
def test_the_pixels_of_a_patch_do_not_depend_on_what_is_read_with_it(
    tmp_path: Path, um_per_px: float
) -> None:
    view = View(PATCH_PX, um_per_px)
    rng = np.random.default_rng(3)
    with open_slide(make_slide(tmp_path / "slide.png"), MPP) as slide:
        centres = rng.uniform(0, [slide.width, slide.height], (6, 2))
        together = cut_windows(slide, view, centres)
        side = view.um / slide.mpp
        first = np.floor((centres / side - 0.5).round(6)).min(0).astype(int)
        for place, patch in zip(together.places, together.patches, strict=True):
            centre = (first + place[::-1] + 0.5) * side
            alone = cut_windows(slide, view, centre[None])
            difference = np.abs(alone.patches[0].astype(int) - patch)
            assert difference.max() <= 1, "but for the rounding of a grey level"
            assert difference.mean() < 0.01


def test_a_window_has_the_size_of_a_patch(tmp_path: Path) -> None:
    with (
        open_slide(make_slide(tmp_path / "slide.png"), MPP) as slide,
        pytest.raises(ValueError, match="64 px, not 128"),
    ):
        cut_windows(slide, View(128, 0.69), np.zeros((1, 2)))


def test_scattered_centres_are_grouped_by_neighbourhood() -> None:
    centres = np.random.default_rng(4).uniform(0, 20_000, (300, 2))
    parts = list(groups(centres, 0.5))
    assert sorted(np.concatenate(parts)) == list(range(300))
    assert all(np.ptp(centres[rows] * 0.5, axis=0).max() <= 1413 for rows in parts)
    assert len(parts) > 40
    assert CELL_PX * CELLS == PATCH_PX
