"""A cohort assembled in the app: its members, its check and its table on disk."""

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histospace_core.catalog import SlideRow
from histospace_core.files import write_bytes
from histospace_core.training.cohort import CHOICES, COLUMNS, Section
from histospace_core.training.cohort_check import cohort_check
from histospace_core.training.findings import Finding
from histospace_core.training.folds import default_folds


@dataclass(frozen=True)
class Member:
    """A slide that the user has chosen as a section of a patient."""

    slide: SlideRow
    section: str
    patient: str


@dataclass(frozen=True)
class ScoringPlan:
    """How a cohort's model will be scored.

    Attributes
    ----------
    by : "patient", "section" or "nothing"
        What is held out in turn.
    n_folds : int
    sentence : str
        What that means for the scores.
    """

    by: Literal["patient", "section", "nothing"]
    n_folds: int
    sentence: str


def suggest_section_name(slide_name: str) -> str:
    """Return a section name derived from the name of the slide's file."""
    # `split`, because .ome.tif has two suffixes
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", slide_name.split(".")[0]).strip("-._")
    return stem[:40] or "section"  # as long as the editor allows


def as_section(slide: SlideRow, name: str, patient: str) -> Section:
    """Return a slide with its attached counts as a section of a cohort."""
    assert slide.counts_path is not None
    spots = Path(slide.spots_path) if slide.spots_path else None
    return Section(
        name,
        patient,
        slide.file,
        Path(slide.counts_path),
        spots,
        slide.mpp_by_user,
        slide.series,
        slide.choice,
    )


def sections_of(members: Sequence[Member]) -> list[Section]:
    """Return the members as sections; those without counts are left out."""
    return [as_section(m.slide, m.section, m.patient) for m in members if m.slide.counts_path]


def check_members(members: Sequence[Member]) -> list[Finding]:
    """Return the findings of `cohort_check`, and an error for each member without counts."""
    without_counts = [
        Finding(
            "error",
            "no counts",
            (m.section,),
            f"Section '{m.section}': {m.slide.name} has no measured expression yet; attach it "
            "first.",
        )
        for m in members
        if not m.slide.counts_path
    ]
    # `cohort_check` would say that there is no section
    if without_counts and len(without_counts) == len(members):
        return without_counts
    return [*without_counts, *cohort_check(sections_of(members))]


def scoring_plan(sections: Sequence[Section]) -> ScoringPlan:
    """Describe how training will hold the sections out."""
    folds = default_folds(sections)
    if not folds:
        return ScoringPlan(
            "nothing",
            0,
            "There is only one section, so nothing can be held out: the model will have no scores "
            "and no reliable genes.",
        )
    if folds[0].same_patient:
        return ScoringPlan(
            "section",
            len(folds),
            f"There is only one patient, so each of the {len(folds)} sections is held out in turn. "
            "The scores will be optimistic: expect lower scores on a new patient.",
        )
    return ScoringPlan(
        "patient",
        len(folds),
        f"Each of the {len(folds)} patients is held out in turn, with all of their sections. The "
        "scores show how well the model predicts a new patient.",
    )


def write_cohort(folder: Path, sections: Sequence[Section]) -> Path:
    """Write the cohort table, named after its content, so that equal cohorts share a file.

    Returns
    -------
    Path of a CSV as `training.read_cohort` reads it.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*COLUMNS, *CHOICES])
    for s in sections:
        chosen = [s.series, s.choice.sample, s.choice.bin, s.choice.library]
        cells = [s.name, s.patient, s.image, s.counts, s.spots, s.mpp, *chosen]
        rows.writerow(["" if cell is None else cell for cell in cells])
    data = text.getvalue().encode()
    table = folder / f"cohort-{hashlib.sha256(data).hexdigest()[:12]}.csv"
    write_bytes(table, data)
    return table
