"""Tiles weighted by the area they share with a square around the spot."""

import numpy as np
import pytest

from histospace_core.comparison.matching import tile_mask, tile_weights

GRID = np.array([(x, y) for y in range(4) for x in range(4)], float) * 100 + 50


def test_a_spot_on_a_tile_takes_that_tile() -> None:
    weights, cover = tile_weights(GRID, GRID[[5]], side=100, stride=100)
    assert weights[0, 5] == pytest.approx(1)
    assert cover[0] == pytest.approx(1)


def test_a_spot_between_four_tiles_takes_a_quarter_of_each() -> None:
    weights, cover = tile_weights(GRID, np.array([[100.0, 100.0]]), side=100, stride=100)
    assert weights[0].toarray().ravel()[[0, 1, 4, 5]] == pytest.approx([0.25] * 4)
    assert cover[0] == pytest.approx(1)


def test_a_linear_map_is_interpolated_exactly() -> None:
    spots = np.random.default_rng(0).uniform(60, 340, (50, 2))
    weights, _ = tile_weights(GRID, spots, side=100, stride=100)
    np.testing.assert_allclose(weights @ (GRID @ [2.0, 3.0]), spots @ [2.0, 3.0])


def test_cover_tells_spots_at_the_edge_and_off_the_tissue() -> None:
    spots = np.array([[0.0, 200.0], [-300.0, 0.0]])
    _, cover = tile_weights(GRID, spots, side=100, stride=100)
    assert cover == pytest.approx([0.5, 0])


@pytest.mark.parametrize("stride", [50.0, 100.0, 200.0])
def test_weights_sum_to_one_at_any_stride(stride: float) -> None:
    grid = np.array([(x, y) for y in range(9) for x in range(9)], float) * stride
    spots = np.random.default_rng(0).uniform(2 * stride, 6 * stride, (20, 2))
    weights, cover = tile_weights(grid, spots, side=100, stride=stride)
    np.testing.assert_allclose(np.asarray(weights.sum(1)).ravel(), 1)
    assert (cover > 0.9).all()


def test_tile_mask_covers_the_tiles() -> None:
    mask = tile_mask(GRID, 100, (600, 400))
    assert mask.sum() == 16
    assert mask[:4, :4].all()
    assert not mask[:, 4:].any()
