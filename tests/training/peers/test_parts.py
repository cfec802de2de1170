"""Ridge, symmetries, lattice, shrinking: the peers' parts against plain arithmetic."""

import numpy as np
import pytest
import torch

from histospace_core.training.peers.colour import colour_statistics
from histospace_core.training.peers.descent import shrink
from histospace_core.training.peers.ridge import PENALTIES, fit_ridge
from histospace_core.training.peers.spot_lattice import lattice_positions
from histospace_core.training.peers.symmetry import N_SYMMETRIES, randomly_oriented, symmetric
from histospace_core.training.peers.triplex_network import _relative_offsets


def _linear(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(n, 5)).astype(np.float32)
    weights = np.random.default_rng(7).normal(size=(5, 3))
    return x, (2 + x @ weights + noise * rng.normal(size=(n, 3))).astype(np.float32)


def test_ridge_without_a_penalty_is_least_squares() -> None:
    x, y = _linear(np.random.default_rng(0), 60, noise=0.1)
    design = np.column_stack([np.ones(len(x)), x])
    expected = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    for components in (None, 5):
        fitted = fit_ridge(x, y, [60], n_components=components, penalty=1e-9)
        np.testing.assert_allclose(fitted.predict(x), expected, atol=1e-3)


def test_the_penalty_follows_what_can_be_learnt() -> None:
    rng = np.random.default_rng(1)
    x, y = _linear(rng, 60, noise=0.1)
    assert fit_ridge(x, y, [30, 30]).penalty < 1
    noise = rng.normal(size=(60, 3)).astype(np.float32)
    deaf = fit_ridge(x, noise, [20, 20, 20])
    assert deaf.penalty >= 100
    assert deaf.penalty in PENALTIES
    assert np.abs(deaf.predict(x) - noise.mean(0)).max() < 0.5


def test_a_single_section_is_split_into_runs_of_spots() -> None:
    x, y = _linear(np.random.default_rng(2), 11, noise=0.1)
    assert np.isfinite(fit_ridge(x, y, [11]).predict(x)).all()


def test_eight_symmetries_are_all_different_and_drawn_tile_by_tile() -> None:
    tile = torch.arange(9.0).reshape(1, 1, 3, 3)
    ways = {tuple(symmetric(tile, k).flatten().tolist()) for k in range(N_SYMMETRIES)}
    assert len(ways) == 8
    assert torch.equal(symmetric(tile, 0), tile)
    many = randomly_oriented(tile.expand(64, 1, 3, 3), torch.Generator().manual_seed(0))
    assert {tuple(t.flatten().tolist()) for t in many} == ways


@pytest.mark.parametrize("degrees", [0, 8, -8])
def test_lattice_positions_of_spots_moved_by_hand_on_a_lattice_askew(degrees: float) -> None:
    wanted = np.argwhere(np.ones((20, 33)))[:, ::-1]
    wanted = wanted[np.random.default_rng(1).random(len(wanted)) > 0.2]  # holes
    moved = wanted * 290.0 + np.random.default_rng(0).uniform(-30, 30, wanted.shape)
    turn = np.deg2rad(degrees)
    moved = moved @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + 1000
    assert np.array_equal(lattice_positions(moved).numpy(), wanted - wanted.min(0))


def test_lattice_positions_of_a_line_and_of_a_single_spot() -> None:
    line = np.column_stack([np.arange(5) * 300.0, np.zeros(5)])
    assert lattice_positions(line).tolist() == [[i, 0] for i in range(5)]
    assert lattice_positions(line[:1]).tolist() == [[0, 0]]


def test_shrinking_averages_whole_pixels() -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    expected = tiles.reshape(3, 4, 2, 4, 2, 3).mean((2, 4)).round()
    np.testing.assert_array_equal(shrink(tiles, 4).numpy(), expected)
    assert shrink(tiles, 8).shape == (3, 8, 8, 3)
    with pytest.raises(ValueError, match="cannot be averaged"):
        shrink(tiles, 3)


def test_colour_statistics_of_a_flat_tile_are_its_density() -> None:
    from builders.cohorts import make_section

    section = make_section("A1", "A", n=2)
    section.views[0][:] = 99  # (99 + 1) / 256
    seen = colour_statistics(section)
    assert seen.shape == (2, 24)
    np.testing.assert_allclose(seen[:, :3], -np.log10(100 / 256), rtol=1e-5)
    np.testing.assert_allclose(seen[:, 3:6], 0, atol=1e-5)


def test_relative_offsets_are_shared_by_equal_steps() -> None:
    offsets = _relative_offsets(5)
    assert offsets[0, 1] == offsets[12, 13]  # one place to the right
    assert offsets[0, 1] != offsets[1, 0]
    assert len(offsets.unique()) == 81
