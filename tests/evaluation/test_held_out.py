"""Held-out sections survive the disk; gene sets come from training data alone."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from builders.held_out import lattice, make_held, smooth_maps
from scipy import sparse

from histospace_core.errors import StoreError
from histospace_core.evaluation import (
    gene_sets,
    load_held_out,
    noise_ceiling,
    per_gene_pearson,
    save_held_out,
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


def test_a_saved_section_scores_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (144, 30))
    measured = normalise(sparse.csr_matrix(counts))
    # a prediction that hardly varies about a high level is where float16 would lose it
    predicted = measured.mean(0) + 1e-3 * (measured + rng.normal(size=measured.shape))
    held = make_held(measured, predicted, counts=counts)
    held = dataclasses.replace(held, library=counts.sum(1) * 1.5)
    file = tmp_path / "new" / "S1-seed0.npz"
    save_held_out(file, held)
    kept = load_held_out(file)
    assert (kept.section, kept.patient, kept.genes) == ("S1", "S", held.genes)
    assert (kept.counts != held.counts).nnz == 0
    np.testing.assert_array_equal(kept.library, held.library)
    np.testing.assert_array_equal(kept.centres, held.centres)
    np.testing.assert_allclose(kept.measured, held.measured, rtol=1e-3)
    np.testing.assert_allclose(
        per_gene_pearson(kept.measured, kept.predicted),
        per_gene_pearson(held.measured, held.predicted),
        atol=1e-3,
    )
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_a_flat_prediction_stays_flat_on_disk(tmp_path: Path) -> None:
    measured = np.random.default_rng(0).normal(2, 1, (36, 4)).astype(np.float32)
    held = make_held(measured, np.broadcast_to(measured.mean(0), measured.shape))
    save_held_out(tmp_path / "a.npz", held)
    kept = load_held_out(tmp_path / "a.npz")
    assert kept.counts is None
    assert kept.library is None
    assert (per_gene_pearson(kept.measured, kept.predicted) == 0).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"text"])
def test_damaged_and_missing_files(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.npz"
    with pytest.raises(StoreError, match="missing or damaged"):
        load_held_out(file)
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"'a\.npz' are missing or damaged"):
        load_held_out(file)
    np.savez(file, other=1)
    with pytest.raises(StoreError):
        load_held_out(file)


def test_pickles_in_the_file_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", section=np.array([{"a": 1}], dtype=object))
    with pytest.raises(StoreError):
        load_held_out(tmp_path / "a.npz")


def test_the_ceiling_from_the_panel_and_the_library_is_that_of_all_genes() -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(3, 1, (400, 60)) * np.geomspace(0.3, 6, 60)
    counts = rng.poisson(rates)
    panel = counts[:, :20]
    held = make_held(normalise(sparse.csr_matrix(panel)), np.zeros(panel.shape), counts=panel)
    held = dataclasses.replace(held, library=counts.sum(1).astype(float))
    whole = noise_ceiling(sparse.csr_matrix(counts), np.arange(20))
    assert np.nanmean(held.noise_ceiling()) == pytest.approx(np.nanmean(whole), abs=0.02)
    absent = dataclasses.replace(held, counted=np.arange(20) != 3)
    assert np.isnan(absent.noise_ceiling()[3])
    assert np.isnan(dataclasses.replace(held, counts=None).noise_ceiling()).all()
