"""Blocks of a section: compact, balanced, and scored within."""

import numpy as np
from builders.cohorts import make_section
from builders.held_out import lattice, make_held, smooth_maps
from scipy.spatial import cKDTree

from histospace_core.training.adapt_blocks import (
    mean_within_blocks,
    of_genes,
    part_of,
    spatial_blocks,
)


def test_blocks_are_balanced_and_compact() -> None:
    centres = lattice(13)
    block = spatial_blocks(centres)
    sizes = np.bincount(block)
    assert len(sizes) == 4
    assert np.ptp(sizes) <= 1
    near = cKDTree(centres).query(centres, k=5)[1][:, 1:]
    assert (block[near] == block[:, None]).mean() > 0.8
    # only the place counts, not the order of the spots
    order = np.random.default_rng(0).permutation(len(centres))
    again = spatial_blocks(centres[order])
    assert all(len(set(block[order][again == i])) <= 2 for i in range(4))


def test_a_long_section_is_cut_across() -> None:
    centres = np.column_stack([np.arange(40) * 100.0, np.zeros(40)])
    assert spatial_blocks(centres).tolist() == np.repeat(range(4), 10).tolist()


def test_a_part_has_the_same_rows_everywhere() -> None:
    whole = make_section("A1", "A", n=10)
    rows = np.array([7, 2])
    part = part_of(whole, rows, "block 1")
    assert part.section.name == "block 1"
    np.testing.assert_array_equal(part.tiles, whole.tiles[rows])
    np.testing.assert_array_equal(part.centres, whole.centres[rows])
    np.testing.assert_array_equal(part.measured.X.toarray(), whole.measured.X.toarray()[rows])


def test_some_genes_of_a_prediction() -> None:
    maps = smooth_maps(np.random.default_rng(0), 4)
    held = make_held(maps, maps + 1, genes=tuple("WXYZ"), counts=np.abs(maps).round())
    some = of_genes(held, ("Z", "X"))
    np.testing.assert_array_equal(some.predicted, held.predicted[:, [3, 1]])
    np.testing.assert_array_equal(some.counts.toarray(), held.counts.toarray()[:, [3, 1]])


def test_the_level_of_a_block_is_no_skill() -> None:
    rng = np.random.default_rng(0)
    level = 10.0 * np.arange(4)[:, None, None]
    noise, guess = rng.normal(size=(2, 4, 36, 30))
    noisy = [make_held(m, p) for m, p in zip(noise + level, guess + level, strict=True)]
    low, high = mean_within_blocks(noisy)
    assert low < 0 < high
    good = [make_held(m, p) for m, p in zip(noise, noise + guess + level, strict=True)]
    low, high = mean_within_blocks(good)
    assert low < 0.7 < high
