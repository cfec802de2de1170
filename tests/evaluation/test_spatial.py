"""Maps of spots against values worked out by hand."""

import numpy as np
import pytest
from builders.held_out import PITCH, lattice, smooth_maps
from hypothesis import given, settings
from hypothesis import strategies as st

from histospace_core.evaluation import map_ssim, morans_i, smooth_over_neighbours
from histospace_core.evaluation.spatial import pitch, raster


def test_morans_i_of_four_spots_in_a_row_by_hand() -> None:
    """z = (-3, -1, 1, 3) / 2 on a line, two nearest spots each.

    Neighbours: 0 has 1, 2; 1 has 0, 2; 2 has 1, 3; 3 has 2, 1. With weights 1/2 the numerator is
    -3 (-1 + 1) / 8 - 1 (-3 + 1) / 8 + 1 (-1 + 3) / 8 + 3 (1 - 1) / 8 = 4 / 8, the denominator 5.
    """
    line = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]])
    values = np.array([[0.0, 7], [1, 7], [2, 7], [3, 7]])
    i = morans_i(values, line, n_neighbours=2)
    assert i[0] == pytest.approx(0.5 / 5)
    assert np.isnan(i[1])


def test_morans_i_equals_the_definition_with_a_full_weight_matrix() -> None:
    rng = np.random.default_rng(0)
    places, x = rng.uniform(size=(40, 2)), rng.normal(size=(40, 3))
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    weights = np.zeros((40, 40))
    for i, row in enumerate(distance):
        weights[i, np.argsort(row)[1:7]] = 1 / 6
    z = x - x.mean(0)
    expected = [40 / weights.sum() * (v @ weights @ v) / (v @ v) for v in z.T]
    np.testing.assert_allclose(morans_i(x, places), expected)


def test_smooth_maps_have_a_higher_morans_i_than_noise() -> None:
    rng = np.random.default_rng(0)
    smooth, noise = smooth_maps(rng, 20), rng.normal(size=(144, 20))
    assert morans_i(smooth, lattice()).min() > 0.4
    assert np.abs(morans_i(noise, lattice()).mean()) < 0.05


def test_a_spot_is_averaged_with_its_neighbours_on_the_lattice() -> None:
    values = np.zeros((25, 1))
    values[12] = 9.0  # the middle of 5 x 5
    smooth = smooth_over_neighbours(values, lattice(5))[:, 0].reshape(5, 5)
    np.testing.assert_allclose(smooth[1:4, 1:4], 1.0)
    assert smooth[0].max() == smooth[:, 0].max() == 0
    corner = np.zeros((25, 1))
    corner[0] = 4.0
    assert smooth_over_neighbours(corner, lattice(5))[0, 0] == pytest.approx(1.0)
    four = smooth_over_neighbours(values, lattice(5), k=4)[:, 0].reshape(5, 5)
    assert four[2, 2] == pytest.approx(1.8)


def test_a_hexagonal_lattice_has_six_neighbours() -> None:
    rows = [(x + 0.5 * (y % 2), y * np.sqrt(3) / 2) for y in range(7) for x in range(7)]
    values = np.zeros((49, 1))
    values[24] = 7.0
    smooth = smooth_over_neighbours(values, np.array(rows) * 100)
    assert (smooth > 0).sum() == 7
    assert smooth[24, 0] == pytest.approx(1.0)


@settings(max_examples=20)
@given(st.integers(0, 999), st.floats(-5, 5), st.floats(0.2, 3))
def test_smoothing_keeps_constants_and_the_range(seed: int, level: float, scale: float) -> None:
    values = np.random.default_rng(seed).normal(level, scale, (64, 2)).astype(np.float32)
    values[:, 1] = level
    smooth = smooth_over_neighbours(values, lattice(8))
    np.testing.assert_allclose(smooth[:, 1], np.float32(level), rtol=1e-6)
    assert smooth[:, 0].min() >= values[:, 0].min()
    assert smooth[:, 0].max() <= values[:, 0].max()


def test_the_raster_puts_each_spot_in_a_cell_and_knows_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    centres = lattice(6) + rng.uniform(-0.1, 0.1, (36, 2)) * PITCH
    keep = np.arange(36) != 14
    assert pitch(centres) == pytest.approx(PITCH, rel=0.2)
    nearest, covered = raster(lattice(6)[keep])
    assert nearest.shape == (6, 6)
    assert covered.sum() == 35
    assert not covered[2, 2]
    assert sorted(nearest[covered]) == list(range(35))


def test_ssim_is_one_for_the_truth_and_falls_with_noise_and_for_a_flat_map() -> None:
    rng = np.random.default_rng(0)
    x = smooth_maps(rng, 6)
    x[:, 5] = 2.0
    noisy = x + rng.normal(scale=0.5, size=x.shape)
    centres = lattice()
    truth = map_ssim(x, x, centres)
    np.testing.assert_allclose(truth[:5], 1.0)
    assert np.isnan(truth[5])
    flat = map_ssim(x, np.broadcast_to(x.mean(0), x.shape), centres)[:5]
    assert (map_ssim(x, noisy, centres)[:5] < 0.95).all()
    assert (flat < map_ssim(x, noisy, centres)[:5]).all()


def test_spots_in_a_row_have_no_ssim() -> None:
    line = np.column_stack([np.arange(20) * 300.0, np.zeros(20)])
    values = np.random.default_rng(0).normal(size=(20, 2))
    assert np.isnan(map_ssim(values, values, line)).all()
