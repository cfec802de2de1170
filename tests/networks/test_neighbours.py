"""Codes are mixed with those of the tissue around, and with nothing else."""

import numpy as np
import pytest

from histospace_core.networks.neighbours import blend_with_neighbours

LINE = np.array([[0.0, 0], [200, 0], [400, 0], [5000, 0]])
CODES = np.array([[0.0, 1], [6, 1], [12, 1], [30, 1]], np.float32)


def test_each_tile_takes_its_share_from_the_tiles_around() -> None:
    blended = blend_with_neighbours(CODES, LINE, 250, 1 / 3)
    assert blended.dtype == np.float32
    np.testing.assert_allclose(blended[:, 0], [2, 6, 10, 30], rtol=1e-6)
    np.testing.assert_allclose(blended[:, 1], 1, rtol=1e-6)


def test_unreadable_tiles_are_nobodys_neighbour() -> None:
    codes = CODES.copy()
    codes[1] = np.nan
    blended = blend_with_neighbours(codes, LINE, 250, 0.5)
    assert np.isnan(blended[1]).all()
    np.testing.assert_array_equal(blended[[0, 2, 3]], codes[[0, 2, 3]])


def test_two_tiles_at_one_place_are_neighbours() -> None:
    codes = np.array([[0.0], [1]], np.float32)
    blended = blend_with_neighbours(codes, np.zeros((2, 2)), 10, 0.5)
    np.testing.assert_allclose(blended, [[0.5], [0.5]])


def test_many_tiles_are_blended_as_few_are() -> None:
    rng = np.random.default_rng(0)
    centres, codes = rng.uniform(0, 20_000, (5000, 2)), rng.normal(size=(5000, 3))
    blended = blend_with_neighbours(codes.astype(np.float32), centres, 300, 0.4)
    for i in (0, 2047, 2048, 4999):
        distance = np.hypot(*(centres - centres[i]).T)
        around = (distance <= 300) & (np.arange(5000) != i)
        expected = 0.6 * codes[i] + 0.4 * codes[around].mean(0) if around.any() else codes[i]
        np.testing.assert_allclose(blended[i], expected, rtol=1e-4, atol=1e-6)


def test_one_tile_or_none_is_left_alone() -> None:
    np.testing.assert_array_equal(blend_with_neighbours(CODES[:1], LINE[:1], 250, 0.5), CODES[:1])
    assert blend_with_neighbours(CODES[:0], LINE[:0], 250, 0.5).shape == (0, 2)


@pytest.mark.parametrize("stride", [100.0, 88.32, 28.98, 300.0, 400.0])
def test_tiles_on_a_grid_are_blended_as_scattered_ones_are(stride: float) -> None:
    rng = np.random.default_rng(1)
    places = np.argwhere(rng.random((30, 40)) < 0.7)
    codes = rng.normal(size=(len(places), 3)).astype(np.float32)
    codes[5] = np.nan
    centres = places * stride + 1234.5
    scattered = blend_with_neighbours(codes, centres, 300, 0.25)
    on_grid = blend_with_neighbours(codes, centres, 300, 0.25, stride)
    np.testing.assert_allclose(on_grid, scattered, rtol=1e-5, atol=1e-6)
    assert (np.nanmax(np.abs(on_grid - codes)) > 0.1) == (stride <= 300)
