"""Levels of genes in the sections of a cohort, and in sections of which only counts exist."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from histospace_core.errors import CohortError, MeasurementError
from histospace_core.expression.measured import read_counts_alone
from histospace_core.expression.normalise import library_sizes
from histospace_core.training.cohort import SectionData, read_rows
from histospace_core.training.cohort_check import same_person
from histospace_core.training.method import TrainingSet
from histospace_core.training.section_facts import counts_fingerprint
from histospace_core.uncertainty import (
    Counting,
    Levels,
    between_patients,
    is_supported,
    section_level,
    typical_depths,
)

COLUMNS = ("section", "patient", "counts")
LEAST_SHARED = 0.5
"""Share of the cohort's genes that a section of counts must have; a panel or another species has
fewer."""


@dataclass(frozen=True, eq=False)
class CountedSection:
    """A section of which only counts are used."""

    name: str
    patient: str
    measured: AnnData


def read_levels(table: Path) -> list[CountedSection]:
    """Read a CSV of sections without an image (`section,patient,counts`, paths relative to it).

    Raises
    ------
    CohortError
        A column, value or file is missing or cannot be used; the message names the line.
    """
    rows = read_rows(table, COLUMNS, "table of counts")
    # line 1 is the header
    sections = [_read(table, line, row) for line, row in enumerate(rows, start=2)]
    names = [s.name for s in sections]
    for name in names:
        if names.count(name) > 1:
            raise CohortError(
                f"'{table.name}': {names.count(name)} sections are called '{name}'; give each a "
                "different name."
            )
    return sections


def levels_of(data: Iterable[SectionData], further: Sequence[CountedSection] = ()) -> Levels:
    """Return the levels of the sections of a cohort, and of further ones, over all their genes."""
    sections = [CountedSection(d.section.name, d.section.patient, d.measured) for d in data]
    sections += further
    genes = sorted({gene for s in sections for gene in s.measured.var_names})
    return Levels(
        tuple(genes),
        tuple(s.name for s in sections),
        tuple(s.patient for s in sections),
        np.stack([_level(s.measured, genes) for s in sections]),
    )


def require_fitting(data: Iterable[SectionData], further: Sequence[CountedSection]) -> None:
    """Refuse counts that do not belong beside a cohort.

    Raises
    ------
    CohortError
        A section is in both, two ids look like one person, most genes are unknown, or no patient
        is new.
    """
    known = list(data)
    genes = set.intersection(*(set(d.measured.var_names) for d in known))
    prints = {counts_fingerprint(d.measured): d.section.name for d in known}
    patients = {d.section.patient for d in known}
    for section in further:
        if section.name in {d.section.name for d in known}:
            raise CohortError(
                f"Section '{section.name}' is in the cohort and in the table of counts; leave it "
                "out of the table of counts."
            )
        twin = prints.get(counts_fingerprint(section.measured))
        if twin is not None:
            raise CohortError(
                f"The counts of '{section.name}' are those of section '{twin}'; leave it out of "
                "the table of counts."
            )
        for patient in patients | {s.patient for s in further}:
            if patient != section.patient and same_person(patient) == same_person(section.patient):
                raise CohortError(
                    f"The patient ids '{section.patient}' and '{patient}' look like one person; "
                    "spell the id of one patient in one way."
                )
        shared = len(genes & set(section.measured.var_names)) / max(len(genes), 1)
        if shared < LEAST_SHARED:
            raise CohortError(
                f"Section '{section.name}' counts only {shared:.0%} of the genes of the cohort, as "
                "another species or a panel would; leave it out of the table of counts."
            )
    if further and not {s.patient for s in further} - patients and len(patients) < 2:
        raise CohortError(
            "All sections, with and without an image, are of one patient, so they do not show how "
            "patients differ; add counts of another patient."
        )


def moved_profile(train: TrainingSet, levels: Levels) -> NDArray[np.float32]:
    """Move the mean profile of training sections to the mean level of patients, (panel,).

    Parameters
    ----------
    levels
        Levels of patients; a gene that they lack keeps its mean.

    Raises
    ------
    CohortError
        The expression unit has no levels.
    """
    if not is_supported(train.unit):
        raise CohortError(
            f"Counts alone cannot move expression in the unit '{train.unit}'; train in log10_cp10k."
        )
    counting = Counting(
        train.unit, typical_depths([library_sizes(s.measured) for s in train.sections])
    )
    own = levels_of(train.sections).of(train.panel.genes).log10_cp10k.mean(0)
    shift = between_patients(levels.of(train.panel.genes)).mean - own
    rate = counting.log_rate(train.mean_profile) + np.nan_to_num(shift)
    return counting.expected(rate).astype(np.float32)


def _read(table: Path, line: int, row: dict[str, str]) -> CountedSection:
    name, patient, value = ((row.get(column) or "").strip() for column in COLUMNS)
    if not (name and patient and value):
        raise CohortError(
            f"'{table.name}' line {line} lacks a value; give section, patient and counts."
        )
    file = table.parent / value
    if not file.exists():
        raise CohortError(f"'{table.name}' line {line}: there is no file '{value}' (counts).")
    try:
        measured = read_counts_alone(file)
    except MeasurementError as error:
        raise CohortError(f"'{table.name}' line {line}: {error}") from error
    return CountedSection(name, patient, measured)


def _level(measured: AnnData, genes: Sequence[str]) -> NDArray[np.float64]:
    place = measured.var_names.get_indexer(list(genes))
    level = section_level(measured.X, library_sizes(measured))
    return np.where(place >= 0, level[place], np.nan)
