"""Intervals of whole cohorts cover sections that nothing was learnt from."""

from dataclasses import replace

import numpy as np
import pytest
from builders.held_out import lattice
from scipy import sparse

from histospace_core.evaluation import HeldOut
from histospace_core.expression import normalise
from histospace_core.uncertainty import (
    PROMISED,
    Evidence,
    Levels,
    coverage_report,
    measure_coverage,
    predictive_from_table,
    section_level,
    to_columns,
    to_json,
)

N_GENES = 150
UNIT = "log10_cp10k"


@pytest.fixture(scope="module")
def cohort() -> tuple[list[HeldOut], Levels]:
    """Eight patients of one section: levels differ, a network knows half of what differs inside."""
    rng = np.random.default_rng(0)
    genes = tuple(f"G{i}" for i in range(N_GENES))
    mean = rng.normal(0.6, 0.6, N_GENES)
    held, levels = [], []
    for patient in "ABCDEFGH":
        n = 144
        depths = rng.lognormal(rng.uniform(7, 9), 0.5, n)
        seen = 0.15 * rng.normal(size=(n, N_GENES))
        rates = mean + 0.2 * rng.normal(size=N_GENES) + seen + 0.15 * rng.normal(size=seen.shape)
        counts = rng.poisson(depths[:, None] * 10**rates / 1e4)
        rest = np.maximum(np.rint(depths) - counts.sum(1), 1)
        table = sparse.csr_matrix(np.column_stack([counts, rest]))
        library = np.asarray(table.sum(1), np.float64).ravel()
        held.append(
            HeldOut(
                f"{patient}1",
                patient,
                genes,
                normalise(table, UNIT, genes=list(range(N_GENES))),
                np.log10(1 + 10 ** (mean + seen)).astype(np.float32),
                np.log10(1 + 10**mean).astype(np.float32),
                sparse.csr_matrix(counts),
                lattice(12),
                np.ones(N_GENES, bool),
                library,
                domain=rng.random(n).astype(np.float32),
            )
        )
        levels.append(section_level(counts, library))
    sections = tuple(h.section for h in held)
    return held, Levels(genes, sections, tuple("ABCDEFGH"), np.stack(levels))


def test_new_patients_are_covered(cohort: tuple[list[HeldOut], Levels]) -> None:
    held, levels = cohort
    report = coverage_report(Evidence(held, levels, UNIT))
    shares = list(report["measured_coverage"].values())
    assert len(shares) == 8
    assert np.mean(shares) == pytest.approx(PROMISED, abs=0.04)
    for nominal, measured in report["calibration"]:
        # where most counts are 0, the narrowest interval has more than it should
        assert nominal - 0.04 < measured < nominal + (0.04 if nominal > 0.8 else 0.15)
    assert len(report["sections"]["A1"]["by_domain"]) == 4
    assert min(report["sections"]["A1"]["by_depth"]) > 0.75
    assert np.mean(list(report["level_coverage"].values())) == pytest.approx(PROMISED, abs=0.06)
    assert "these 8" in report["promise"]
    assert "89%" in report["promise"], "8 of 9, which no assumption is needed for"


def test_fewer_counts_widen_intervals_relative_to_expression(
    cohort: tuple[list[HeldOut], Levels],
) -> None:
    held, levels = cohort
    predictive = Evidence(held, levels, UNIT).fit(held[0].genes)
    predicted = held[0].predicted
    level = predictive.slide_level(predicted)
    itself = predictive.level_interval(predicted, level, PROMISED)
    few, many = (predictive.measurement_interval(predicted, level, n, PROMISED) for n in (500, 1e6))
    width = [float((i.high - i.low).mean()) for i in (itself, many, few)]
    assert width[0] == pytest.approx(width[1], rel=0.1), "a million counts show expression itself"
    assert width[2] > 1.2 * width[1]


def test_a_package_keeps_the_distribution(cohort: tuple[list[HeldOut], Levels]) -> None:
    held, levels = cohort
    predictive = Evidence(held, levels, UNIT).fit(held[0].genes)
    read = predictive_from_table(to_columns(predictive), to_json(predictive), UNIT)
    assert read is not None
    ends = [
        p.measurement_interval(held[0].predicted, p.slide_level(held[0].predicted), 2_000, 0.9)
        for p in (predictive, read)
    ]
    assert np.mean(np.abs(ends[0].high - ends[1].high) < 1e-9) > 0.99
    assert predictive_from_table(to_columns(predictive), {}, UNIT) is None, "an older package"
    assert predictive_from_table(to_columns(predictive), to_json(predictive), "raw") is None


def test_a_patient_does_not_learn_from_its_own_sections(
    cohort: tuple[list[HeldOut], Levels],
) -> None:
    held, levels = cohort
    spoilt = [replace(held[0], predicted=held[0].predicted[::-1].copy()), *held[1:]]
    one, other = (Evidence(h, levels, UNIT).fit_without(held[0]) for h in (held, spoilt))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.spot_sd, other.spot_sd)
    assert one.level.n_groups == 7


def test_one_patient_promises_nothing_for_a_new_one(cohort: tuple[list[HeldOut], Levels]) -> None:
    held, levels = cohort
    alone = levels.without(patient="A")
    for patient in "CDEFGH":
        alone = alone.without(patient=patient)
    evidence = Evidence(held[1:2], alone, UNIT)
    assert not evidence.usable
    report = coverage_report(evidence)
    assert "nothing is promised" in report["promise"]
    assert "measured_coverage" not in report
    assert "no interval" in coverage_report(Evidence([], levels, UNIT))["promise"]
    assert "no interval" in coverage_report(Evidence(held, levels, "raw"))["promise"]


def test_an_uncounted_gene_counts_nowhere(cohort: tuple[list[HeldOut], Levels]) -> None:
    held, levels = cohort
    evidence = Evidence(held, levels, UNIT)
    predictive = evidence.fit_without(held[0])
    assert predictive is not None
    counted = np.arange(N_GENES) > 0
    absurd = held[0].measured.copy()
    absurd[:, 0] = 99
    with_it = measure_coverage(predictive, replace(held[0], measured=absurd), PROMISED)
    without = measure_coverage(
        predictive, replace(held[0], measured=absurd, counted=counted), PROMISED
    )
    assert without.share > with_it.share
