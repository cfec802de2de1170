"""Intervals cover what they promise, on groups whose law is known."""

import dataclasses

import numpy as np
import pytest
from builders.held_out import make_held

from histospace_core.errors import CohortError
from histospace_core.evaluation import (
    HeldOut,
    coverage,
    fit_intervals,
    interval_report,
    measured_coverage,
)


def _group(rng: np.random.Generator, name: str, n_genes: int = 8) -> HeldOut:
    """A patient of own bias and own noise per gene: spots within are not exchangeable."""
    spread = np.exp(rng.normal(0, 0.3, n_genes)) * np.linspace(0.5, 2, n_genes)
    predicted = rng.normal(2, 1, (144, n_genes))
    noise = rng.normal(0, 0.4, n_genes) + spread * rng.normal(size=predicted.shape)
    return make_held(predicted + noise, predicted, section=f"{name}1", patient=name)


def test_new_patients_are_covered_as_promised() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        groups = [_group(rng, f"P{i}") for i in range(13)]
        intervals = fit_intervals(groups[:12])
        found.append(coverage(intervals, groups[12:])["P121"])
    assert intervals.n_groups == 12
    assert intervals.promise.startswith("At least 90%")
    assert 0.89 < np.mean(found) < 0.97


def test_few_patients_promise_nothing_but_come_near() -> None:
    rng = np.random.default_rng(1)
    groups = [_group(rng, f"P{i}") for i in range(5)]
    assert np.isfinite(fit_intervals(groups).half_width).all()
    assert "Too few patients to promise 90%" in fit_intervals(groups).promise
    assert "5, and 9 are needed" in fit_intervals(groups).promise
    reached = measured_coverage(groups)
    assert set(reached) == {f"P{i}1" for i in range(5)}
    assert 0.82 < np.mean(list(reached.values())) < 0.95


def test_the_promise_starts_where_the_quantile_is_finite() -> None:
    rng = np.random.default_rng(2)
    groups = [_group(rng, f"P{i}", 2) for i in range(9)]
    nine = fit_intervals(groups)
    assert nine.promise.startswith("At least")
    largest = [np.abs(g.measured - g.predicted).max(0) for g in groups]
    np.testing.assert_allclose(nine.half_width, np.max(largest, axis=0), rtol=1e-6)
    assert fit_intervals(groups[:8]).promise.startswith("Too few")
    assert fit_intervals(groups[:4], 0.8).promise.startswith("At least 80%")


def test_a_group_counts_once_however_many_spots_it_has() -> None:
    small, large = np.zeros((9, 1)), np.zeros((900, 1))
    a = make_held(small + np.linspace(0, 1, 9)[:, None], small, section="A1", patient="A")
    b = make_held(large + 10, large, section="B1", patient="B")
    assert fit_intervals([a, b], 0.3).half_width[0] <= 1  # of all spots, 99 in 100 are at 10
    assert fit_intervals([a, b], 0.4).half_width[0] == 10  # 0.4 x (2 + 1) groups


def test_grouping_by_section_or_patient() -> None:
    rng = np.random.default_rng(3)
    held = [
        dataclasses.replace(_group(rng, patient), section=f"{patient}{i}")
        for patient in "AB"
        for i in range(3)
    ]
    assert fit_intervals(held).n_groups == 2
    assert fit_intervals(held, group="section").n_groups == 6
    assert "section" in fit_intervals(held, group="section").promise
    assert set(measured_coverage(held)) == {h.section for h in held}


def test_genes_are_matched_by_name_and_uncounted_ones_left_out() -> None:
    rng = np.random.default_rng(4)
    a = _group(rng, "A", 3)
    b = dataclasses.replace(
        _group(rng, "B", 3), genes=("G1", "G2", "X"), counted=np.array([True, False, True])
    )
    intervals = fit_intervals([a, b])
    assert intervals.genes == ("G0", "G1", "G2", "X")
    alone = fit_intervals([a])
    np.testing.assert_allclose(intervals.of(["G0", "G2"]), alone.of(["G0", "G2"]))
    assert intervals.of(["G1"])[0] != alone.of(["G1"])[0]
    assert np.isnan(intervals.of(["nowhere"])).all()
    assert np.isnan(coverage(alone, [dataclasses.replace(b, counted=np.zeros(3, bool))])["B1"])


def test_the_report_says_what_was_reached_or_that_nothing_is_known() -> None:
    rng = np.random.default_rng(5)
    held = [_group(rng, patient) for patient in "ABC"]
    report = interval_report(held)
    assert report["measured_coverage"] == {
        name: round(share, 3) for name, share in measured_coverage(held, group="section").items()
    }
    assert report["promise"].startswith("Too few sections")
    assert "measured_coverage" not in interval_report(held[:1])


def test_refusals() -> None:
    group = _group(np.random.default_rng(0), "A")
    with pytest.raises(CohortError, match="no held-out prediction"):
        fit_intervals([])
    with pytest.raises(CohortError, match="between 0 and 1, not at 90"):
        fit_intervals([group], 90)
    with pytest.raises(CohortError, match="a patient left out, and there is only one"):
        measured_coverage([group])
