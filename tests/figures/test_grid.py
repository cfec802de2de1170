import numpy as np
import pytest

from histospace_core.figures.grid import tile_grid


def centres_on_grid(columns, rows, stride, origin=(64.0, 64.0)):
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    return np.column_stack([x.ravel(), y.ravel()]) * stride + np.asarray(origin)


@pytest.mark.parametrize("stride", [64.0, 128.0, 176.64, 300.0])
def test_every_tile_is_drawn_at_its_centre_and_size(stride):
    centres = centres_on_grid(5, 3, stride)[[0, 1, 4, 7, 14]]  # with holes
    grid = tile_grid(centres, tile=128.0, stride=stride)
    picture = grid.fill(np.arange(5, dtype=np.float32))
    assert np.isfinite(picture).sum() == 5
    for tile, (x, y) in enumerate(centres):
        row, column = np.argwhere(picture == tile)[0]
        left, right = grid.x_edges[column : column + 2]
        top, bottom = grid.y_edges[row : row + 2]
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((x, y))
        assert right - left == pytest.approx(min(128.0, stride))
        assert bottom - top == pytest.approx(min(128.0, stride))


def test_a_stride_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="grid"):
        tile_grid(centres_on_grid(4, 4, 50.0), tile=128.0, stride=128.0)


@pytest.mark.parametrize("stride", [128.0, 176.64])
def test_averages_do_not_reach_across_a_gap_in_the_tissue(stride):
    columns = np.array([0, 1, 2, 12, 13])
    centres = np.column_stack([columns * stride + 64.0, np.full(5, 64.0)])
    values = np.array([1.0, 1.0, np.nan, 9.0, 9.0])
    found = tile_grid(centres, tile=128.0, stride=stride).average(values, 2.8)
    np.testing.assert_allclose(found, values, rtol=1e-6)
