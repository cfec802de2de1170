"""A cohort put together in the app: its members, what must be right, its table on disk."""

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histospace_core.catalog import SlideRow
from histospace_core.errors import CohortError
from histospace_core.evaluation.audit import same_person
from histospace_core.training.cohort import COLUMNS
from histospace_core.web.train.section_check import SectionCheck

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")  # a name becomes part of a file's name


@dataclass(frozen=True)
class Member:
    """A slide with its measurement as a section of a patient."""

    slide: SlideRow
    section: str
    patient: str


@dataclass(frozen=True)
class HeldOut:
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


def suggested_section(name: str) -> str:
    """Return a section name made of what the user called the slide."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name.split(".")[0]).strip("-._")
    return stem[:40] or "section"


def held_out(members: Sequence[Member]) -> HeldOut:
    """Tell how the sections will be held out, as `training.train_from_cohort` does."""
    patients = len({member.patient for member in members})
    if patients > 1:
        return HeldOut(
            "patient",
            patients,
            f"Each of the {patients} patients is held out in turn, with all of their sections: the "
            "scores say how well a new patient is predicted.",
        )
    if len(members) > 1:
        return HeldOut(
            "section",
            len(members),
            f"There is one patient only, so each of the {len(members)} sections is held out in "
            "turn. The scores will be optimistic: expect less on a new patient.",
        )
    return HeldOut(
        "nothing",
        0,
        "There is one section only, so nothing can be held out: the model will have no scores, and "
        "none of its genes will be called reliable.",
    )


def require_sound(members: Sequence[Member], checks: Mapping[str, SectionCheck]) -> None:
    """Refuse a cohort that cannot be trained on, or whose scores would leak.

    Parameters
    ----------
    checks
        By slide id, one for each member.

    Raises
    ------
    CohortError
        The first thing that is wrong, in one sentence.
    """
    if not members:
        raise CohortError("No section is chosen: tick at least one.")
    _require_names(members)
    _require_unlike(members, checks)
    for member in members:
        if problem := checks[member.slide.id].problem:
            raise CohortError(f"Section {member.section}: {problem}")
    common = set.intersection(*(set(checks[member.slide.id].genes) for member in members))
    if not common:
        raise CohortError(
            "The sections have no gene in common: check that all name their genes in the same way "
            "and are of one species."
        )


def write_cohort(folder: Path, members: Sequence[Member]) -> Path:
    """Write the cohort's table, named by its content: the same cohort again is the same file.

    Returns
    -------
    Path of a CSV as `training.read_cohort` reads it.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for member in members:
        slide = member.slide
        mpp = slide.mpp if slide.mpp_source == "user" else None
        paths = [slide.path, slide.counts_path, slide.spots_path or "", mpp or ""]
        rows.writerow([member.section, member.patient, *paths])
    data = text.getvalue().encode()
    table = folder / f"cohort-{hashlib.sha256(data).hexdigest()[:12]}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    part = table.with_suffix(".part")
    part.write_bytes(data)
    part.replace(table)
    return table


def _require_names(members: Sequence[Member]) -> None:
    for member in members:
        if not _NAME.fullmatch(member.section):
            raise CohortError(
                f"'{member.section}' is no name for a section: use 1 to 40 letters a-z, digits, "
                "blanks, dots, hyphens or underscores."
            )
        if not _NAME.fullmatch(member.patient):
            raise CohortError(
                f"Section {member.section} needs its patient's id (a pseudonym of 1 to 40 letters "
                "a-z, digits, blanks, dots, hyphens or underscores)."
            )
    names = [member.section.casefold() for member in members]
    for member in members:
        if names.count(member.section.casefold()) > 1:
            raise CohortError(
                f"Two sections are called {member.section}: give each a name of its own."
            )


def _require_unlike(members: Sequence[Member], checks: Mapping[str, SectionCheck]) -> None:
    """Refuse one patient under two ids, and one measurement under two names."""
    people: dict[str, Member] = {}
    prints: dict[str, Member] = {}
    for member in members:
        known = people.setdefault(same_person(member.patient), member)
        if known.patient != member.patient:
            raise CohortError(
                f"Patients '{known.patient}' (section {known.section}) and '{member.patient}' "
                f"(section {member.section}) look like one person: write one id in the same way, "
                "and different ones with more than a prefix between them."
            )
        print_ = checks[member.slide.id].fingerprint
        twin = prints.setdefault(print_, member) if print_ else member
        if twin is not member:
            raise CohortError(
                f"Sections {twin.section} and {member.section} hold the same counts: one of them "
                "has the wrong files, and a model would be scored on what it has learnt."
            )
