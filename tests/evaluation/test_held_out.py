"""Gene sets come from training data alone; the noise ceiling of a held-out section."""

import dataclasses

import numpy as np
import pytest
from builders.held_out import lattice, make_held, smooth_maps
from scipy import sparse

from histospace_core.evaluation import (
    gene_sets,
    noise_ceiling,
)
from histospace_core.expression import normalise


def test_gene_sets_are_the_most_variable_and_the_most_spatial() -> None:
    rng = np.random.default_rng(0)
    sections = []
    for _ in range(2):
        x = rng.normal(scale=0.1, size=(144, 120))
        x[:, 20:70] = rng.normal(scale=5, size=(144, 50))
        x[:, 70:] = 0.1 * smooth_maps(rng, 50)
        sections.append(x)
    sets = gene_sets(sections, [lattice()] * 2)
    assert sets.hvg50.tolist() == list(range(20, 70))
    assert sets.svg50.tolist() == list(range(70, 120))


def test_gene_sets_of_a_small_panel_and_of_constant_genes() -> None:
    x = np.random.default_rng(0).normal(size=(144, 60))
    x[:, :10] = 1.0
    sets = gene_sets([x], [lattice()])
    assert sets.svg50.tolist() == list(range(10, 60))
    assert gene_sets([x[:, :12]], [lattice()]).hvg50.tolist() == list(range(12))


def test_the_ceiling_from_the_panel_and_the_library_is_that_of_all_genes() -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(3, 1, (400, 60)) * np.geomspace(0.3, 6, 60)
    counts = rng.poisson(rates)
    panel = counts[:, :20]
    held = make_held(normalise(sparse.csr_matrix(panel)), np.zeros(panel.shape), counts=panel)
    held = dataclasses.replace(held, library=counts.sum(1).astype(float))
    whole = noise_ceiling(sparse.csr_matrix(counts), held.library, lattice(20))
    assert held.noise_ceiling().high.mean() == pytest.approx(whole.high[:20].mean(), abs=0.02)
    absent = dataclasses.replace(held, counted=np.arange(20) != 3).noise_ceiling()
    assert np.isnan([absent.low[3], absent.high[3]]).all()
    assert np.isfinite(absent.low).sum() == 19
    unknown = dataclasses.replace(held, counts=None).noise_ceiling()
    assert np.isnan([unknown.low, unknown.high]).all()


def test_the_depth_of_a_section_without_a_library_is_that_of_its_panel() -> None:
    counts = np.random.default_rng(0).poisson(3.0, (36, 8))
    held = make_held(normalise(sparse.csr_matrix(counts)), np.zeros((36, 8)), counts=counts)
    np.testing.assert_array_equal(held.depth, counts.sum(1))
    nothing = dataclasses.replace(held, counts=None)
    assert nothing.depth is None
    assert np.isnan(nothing.pearson_given_depth()).all()
    np.testing.assert_array_equal(held.pearson_given_depth(), 0)
