"""The check of a cohort that the app, the command line and Python share."""

import re
from collections.abc import Iterator, Sequence

from histospace_core.errors import HistospaceError, PixelSizeError
from histospace_core.training.cohort import Section
from histospace_core.training.findings import Finding, Kind, section_finding
from histospace_core.training.folds import Fold, default_folds
from histospace_core.training.section_facts import SectionFacts, section_facts
from histospace_core.training.shared_content import (
    check_counts,
    check_genes,
    check_images,
    equal_groups,
)

MAX_PITCH_UM = 250.0
"""A quarter more than on the widest known array: spots further apart mean a wrong pixel size."""
_NAME = re.compile(r"[^\W_][\w .-]{0,150}")  # a section's name becomes part of file names
_PERSON_WORD = re.compile(r"^(?:patient|patid|pat|pt|subject|subj|case|donor)(?=\d)")
_LETTER_PREFIX = re.compile(r"^[a-z]{1,3}(?=\d{4,}$)")


def cohort_check(sections: Sequence[Section], folds: Sequence[Fold] | None = None) -> list[Finding]:
    """Check that a cohort can be trained on and that its scores will be honest.

    A file is read once, and again only after it has changed.

    Parameters
    ----------
    sections
        The sections that will be used.
    folds
        How they will be held out; `default_folds` if None. An image on both sides of a fold is an
        error; two sections with one image are otherwise a warning.

    Returns
    -------
    All findings: names and patients first, then each section, then what sections share.
    """
    if not sections:
        return [Finding("error", "no section", (), "The cohort has no section; add at least one.")]
    if folds is None:
        folds = default_folds(sections)
    return [
        *_check_names(sections),
        *_check_patients(sections),
        *(finding for section in sections for finding in check_section(section)),
        *check_images(sections, folds),
        *check_counts(sections),
        *check_genes(sections),
    ]


def check_section(section: Section) -> list[Finding]:
    """Check a single section: its files, its pixel size, and the position of its spots."""
    try:
        facts = section_facts(section)
    except HistospaceError as error:
        kind: Kind = "pixel size" if isinstance(error, PixelSizeError) else "unreadable"
        return [section_finding("error", kind, section.name, str(error))]
    return check_spots(section.name, facts)


def check_spots(name: str, facts: SectionFacts) -> list[Finding]:
    """Check where the spots of section `name` lie, and how far apart."""
    if facts.n_outside:  # the pixel unit is wrong, so tissue and pitch would mislead
        return [
            section_finding(
                "error",
                "spots outside image",
                name,
                f"{facts.n_outside} of {facts.n_spots} spots lie outside its image "
                f"({facts.width} x {facts.height} px); check that image, spots and pixel unit "
                "belong together.",
            )
        ]
    findings = []
    if facts.alignment.verdict == "misaligned":
        findings.append(section_finding("error", "misaligned spots", name, facts.alignment.message))
    if facts.alignment.verdict == "unclear":
        message = facts.alignment.message
        findings.append(section_finding("warning", "ambiguous orientation", name, message))
    if facts.pitch_um > MAX_PITCH_UM:
        findings.append(
            section_finding(
                "error",
                "spot pitch",
                name,
                f"neighbouring spots would lie {facts.pitch_um:.0f} um apart at {facts.mpp:g} "
                "um/px, but on known arrays they lie at most 200 um apart; check the pixel size.",
            )
        )
    return findings


def same_person(patient: str) -> str:
    """Reduce a patient id to its distinctive part: "BC 23450", "bc-23450" and "23450" are equal.

    Case, spaces and punctuation are removed, and so are a word such as "patient" before digits and
    up to three letters before a number of four digits or more. "A1" and "B1" remain different.
    """
    letters = re.sub(r"[\W_]+", "", patient.casefold())
    return _LETTER_PREFIX.sub("", _PERSON_WORD.sub("", letters))


def _check_names(sections: Sequence[Section]) -> Iterator[Finding]:
    for section in sections:
        if not _NAME.fullmatch(section.name):
            yield Finding(
                "error",
                "section name",
                (section.name,),
                f"'{section.name}' cannot be the name of a section; use letters, digits, spaces, "
                "dots, hyphens and underscores, and begin with a letter or a digit.",
            )
    # to some file systems, "A" and "a" are one file name
    for same in equal_groups(sections, lambda s: s.name.casefold()):
        yield Finding(
            "error",
            "duplicate name",
            tuple(s.name for s in same),
            f"{len(same)} sections are called '{same[0].name}'; give each a different name.",
        )


def _check_patients(sections: Sequence[Section]) -> Iterator[Finding]:
    for section in sections:
        if not section.patient:
            yield section_finding(
                "error",
                "no patient",
                section.name,
                "its patient's id is missing; give the same pseudonym to all sections of one "
                "patient.",
            )
    # reversed, because a dict keeps the last
    first_of_each = {s.patient: s for s in reversed(sections) if s.patient}
    patients = [s for s in sections if first_of_each.get(s.patient) is s]
    for same in equal_groups(patients, lambda s: same_person(s.patient)):
        ids = " and ".join(f"'{s.patient}' (section {s.name})" for s in same)
        yield Finding(
            "error",
            "similar patients",
            tuple(s.name for s in same),
            f"The patient ids {ids} look like one person; spell the id of one patient in one way, "
            "and give different patients ids that differ in more than a prefix.",
        )
