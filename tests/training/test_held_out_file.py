"""Held-out sections survive the disk."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from builders.held_out import make_held
from scipy import sparse

from histospace_core.errors import StoreError
from histospace_core.evaluation import per_gene_pearson
from histospace_core.expression import normalise
from histospace_core.training.held_out_file import load_held_out, save_held_out


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
