"""The slope of a map is found whatever the depth, with an error that fits smooth maps."""

from dataclasses import replace

import numpy as np
import pytest
from builders.autocorrelated import evidence_of, smooth_section

from histospace_core.uncertainty.map_slope import BANDS, averaging


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_slope_of_each_part_of_the_map_is_found(slope: float) -> None:
    found = [evidence_of(smooth_section(seed, slope=slope, n_genes=150)) for seed in range(4)]
    for band in range(len(BANDS)):
        mean = np.mean([np.average(e.slope[band], weights=1 / e.error[band] ** 2) for e in found])
        assert mean == pytest.approx(slope, abs=0.12), BANDS[band]


def test_its_error_takes_into_account_that_neighbours_are_alike() -> None:
    found = [evidence_of(smooth_section(seed, slope=0, n_genes=150)) for seed in range(4)]
    z = np.concatenate([e.slope / e.error for e in found], 1)
    assert z.std(1) == pytest.approx(np.ones(len(BANDS)), abs=0.25)


def test_depth_does_not_pass_for_a_map() -> None:
    section = smooth_section(0, slope=0, n_genes=150, sd=0)
    by_depth = np.log10(section.depths)[:, None] * np.ones(150)
    found = evidence_of(replace(section, shown=by_depth))
    assert abs(np.mean(found.slope[0])) < 0.02


def test_a_flat_map_and_an_uncounted_gene_say_nothing() -> None:
    section = smooth_section(0, slope=1, n_genes=4)
    section.shown[:, 0] = 1.0
    counts = section.counts.toarray()
    counts[:, 1] = 0
    found = evidence_of(replace(section, counts=type(section.counts)(counts)))
    assert np.isnan(found.slope[:, :2]).all()
    assert np.isfinite(found.slope[:, 2:]).all()


def test_averaging_is_over_what_lies_within_the_radius() -> None:
    line = np.column_stack([200.0 * np.arange(5), np.zeros(5)])
    weights = averaging(line, 200).toarray()
    assert weights[0] == pytest.approx([1 / 2, 1 / 2, 0, 0, 0])
    assert weights[2] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0])
