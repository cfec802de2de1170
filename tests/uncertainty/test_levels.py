"""Levels of patients whose law is known."""

import numpy as np
import pytest

from histospace_core.uncertainty import (
    Levels,
    between_patients,
    level_coverage,
    section_level,
    within_patients,
)


def simulated(
    rng: np.random.Generator, n_patients: int = 7, n_sections: int = 4, n_genes: int = 1_500
) -> Levels:
    """Patients' levels with a spread of their own for each gene, and sections around them."""
    spread = 0.2 * np.sqrt(6 / rng.chisquare(6, n_genes))
    own = rng.normal(0.5, 1, n_genes) + spread * rng.normal(size=(n_patients, n_genes))
    sections = np.repeat(own, n_sections, 0)
    sections = sections + rng.normal(0, 0.08, sections.shape)
    names = [f"{p}{s}" for p in "ABCDEFGHIJ"[:n_patients] for s in range(n_sections)]
    genes = tuple(f"G{i}" for i in range(n_genes))
    return Levels(genes, tuple(names), tuple(name[0] for name in names), sections)


def test_a_new_patient_is_covered_as_promised() -> None:
    rng = np.random.default_rng(0)
    shares = [np.mean(list(level_coverage(simulated(rng), 0.9).values())) for _ in range(5)]
    assert np.mean(shares) == pytest.approx(0.9, abs=0.02)


def test_shrinkage_narrows_the_interval_of_few_patients() -> None:
    levels = simulated(np.random.default_rng(1), n_patients=3)
    spread = between_patients(levels)
    assert spread.df > 4, "more than the two degrees of freedom that three patients have"
    assert np.mean(list(level_coverage(levels, 0.9).values())) > 0.85


def test_a_further_section_of_a_patient_varies_less_than_a_new_patient() -> None:
    levels = simulated(np.random.default_rng(2))
    within, between = within_patients(levels, "A"), between_patients(levels)
    assert np.median(within.sd) < 0.6 * np.median(between.sd)
    own = simulated(np.random.default_rng(2), n_sections=5)
    last = own.log10_cp10k[own.sections.index("A4")]
    spread = within_patients(own.without(section="A4"), "A")
    inside = np.abs(last - spread.mean) <= spread.half_width(0.9)
    assert inside.mean() == pytest.approx(0.9, abs=0.04)


def test_genes_without_levels_have_none() -> None:
    levels = simulated(np.random.default_rng(3)).of(["G0", "elsewhere"])
    spread = between_patients(levels)
    assert np.isfinite(spread.mean).tolist() == [True, False]
    assert np.isfinite(spread.sd).tolist() == [True, False]


def test_a_gene_that_a_section_lacks_is_learnt_from_the_others() -> None:
    levels = simulated(np.random.default_rng(4))
    values = levels.log10_cp10k.copy()
    values[:4, 0] = np.nan  # patient A
    some = Levels(levels.genes, levels.sections, levels.patients, values)
    assert between_patients(some).mean[0] == pytest.approx(
        between_patients(levels.without(patient="A")).mean[0]
    )


def test_the_level_of_a_section_is_that_of_all_its_counts() -> None:
    counts = np.array([[5.0, 0.0], [15.0, 0.0]])
    level = section_level(counts, np.array([1_000.0, 3_000.0]))
    assert level[0] == pytest.approx(np.log10(1e4 * 20.5 / 4_000))
    assert np.isfinite(level[1])
