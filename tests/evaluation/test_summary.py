"""Averages over seeds, sections and patients, by hand."""

import json

import pytest

from histospace_core.errors import CohortError
from histospace_core.evaluation import summarise


def _row(test: str, r: float, *, seed: int = 0, smoothed: float | None = 0.5) -> dict[str, object]:
    return {
        "test": test,
        "patient": test[0],
        "seed": seed,
        "per_gene_pearson": r,
        "per_gene_pearson_ci": [r - 0.1, r + 0.1],
        "smoothed": {"per_gene_pearson": smoothed},
        "train_sections": ["Z1"],
        "same_patient_in_training": False,
        "genes": {"gene": ["A"], "pearson": [r]},
    }


def test_seeds_then_sections_then_patients() -> None:
    rows = [_row("A1", 0.1), _row("A1", 0.3, seed=1), _row("A2", 0.4), _row("B1", 0.9)]
    summary = summarise(rows)
    assert summary["sections"]["A1"]["per_gene_pearson"] == pytest.approx(0.2)
    assert summary["patients"]["A"]["per_gene_pearson"] == pytest.approx(0.3)
    score = summary["scores"]["per_gene_pearson"]
    assert score["mean"] == pytest.approx(0.6)
    assert (score["low"], score["high"]) == (pytest.approx(0.3), pytest.approx(0.9))
    counted = [summary[k] for k in ("n_patients", "n_sections", "n_seeds", "resampled")]
    assert counted == [2, 3, 2, "patients"]
    assert "2 patients" in summary["note"]
    assert set(summary["scores"]) == {"per_gene_pearson", "smoothed.per_gene_pearson"}
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_one_patient_resamples_sections_and_says_so() -> None:
    summary = summarise([_row(f"A{i}", i / 10) for i in range(1, 8)])
    assert summary["resampled"] == "sections"
    assert "ignores the variation between patients" in summary["note"]
    score = summary["scores"]["per_gene_pearson"]
    assert score["mean"] == pytest.approx(0.4)
    assert 0.1 < score["low"] < 0.3
    assert 0.5 < score["high"] < 0.7


def test_one_section_takes_the_interval_over_its_spots() -> None:
    summary = summarise([_row("A1", 0.2), _row("A1", 0.4, seed=1)])
    assert summary["resampled"] == "spots"
    assert summary["scores"]["per_gene_pearson"] == {
        "mean": pytest.approx(0.3), "low": pytest.approx(0.2), "high": pytest.approx(0.4),
    }  # fmt: skip
    assert summary["scores"]["smoothed.per_gene_pearson"]["low"] is None
    assert "too narrow" in summary["note"]


def test_a_score_that_a_section_lacks_is_left_out_of_the_mean() -> None:
    summary = summarise([_row("A1", 0.1, smoothed=None), _row("B1", 0.1, smoothed=0.4)])
    assert summary["scores"]["smoothed.per_gene_pearson"]["mean"] == pytest.approx(0.4)
    nothing = summarise([_row("A1", 0.1, smoothed=None), _row("B1", 0.1, smoothed=None)])
    assert nothing["scores"]["smoothed.per_gene_pearson"]["mean"] is None


def test_nothing_to_summarise() -> None:
    with pytest.raises(CohortError, match="no scored section"):
        summarise([])
