"""The one check of a cohort, used by the app, the command line and Python alike."""

import logging
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

from histospace_core.errors import CohortError, HistospaceError, PixelSizeError
from histospace_core.files import sha256
from histospace_core.slides.content import slide_files
from histospace_core.training.cohort import Section
from histospace_core.training.folds import Fold, default_folds
from histospace_core.training.section_facts import (
    FileVersion,
    SectionFacts,
    counts_files,
    file_versions,
    section_facts,
)

MAX_PITCH_UM = 250.0
"""A quarter more than on the widest known array: spots further apart mean a wrong pixel size."""
MOST_SHOWN = 3
"""Errors that a refusal spells out; of the others it gives the number."""

Severity = Literal["error", "warning"]
Kind = Literal[
    "no section",
    "section name",
    "duplicate name",
    "no patient",
    "similar patients",
    "no counts",
    "pixel size",
    "unreadable",
    "spots outside image",
    "misaligned spots",
    "ambiguous orientation",
    "spot pitch",
    "same image",
    "same counts",
    "no common gene",
]
_NAME = re.compile(r"[^\W_][\w .-]{0,150}")  # a section's name becomes part of file names
_PERSON_WORD = re.compile(r"^(?:patient|patid|pat|pt|subject|subj|case|donor)(?=\d)")
_LETTER_PREFIX = re.compile(r"^[a-z]{1,3}(?=\d{4,}$)")
_log = logging.getLogger(__name__)
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that the user should look at.

    Attributes
    ----------
    severity : "error" or "warning"
        Training refuses a cohort with an error.
    kind : Kind
    sections : tuple of str
        Names of the sections that it is about; empty where it is about all of them.
    message : str
        What is wrong, where, and what to do.
    """

    severity: Severity
    kind: Kind
    sections: tuple[str, ...]
    message: str


def cohort_check(sections: Sequence[Section], folds: Sequence[Fold] | None = None) -> list[Finding]:
    """Check that a cohort can be trained on and that its scores will be honest.

    Every file is read once, and again only after it has changed.

    Parameters
    ----------
    sections
        The sections that will be used.
    folds
        How they will be held out; `default_folds` if None. One image on both sides of a fold is an
        error, elsewhere a warning.

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
        *_check_images(sections, folds),
        *_check_counts(sections),
        *_check_genes(sections),
    ]


def check_section(section: Section) -> list[Finding]:
    """Check one section by itself: its files, its pixel size, and its spots on its tissue."""
    try:
        facts = section_facts(section)
    except HistospaceError as error:
        kind: Kind = "pixel size" if isinstance(error, PixelSizeError) else "unreadable"
        return [_of_section("error", kind, section.name, str(error))]
    return check_spots(section.name, facts)


def check_spots(name: str, facts: SectionFacts) -> list[Finding]:
    """Check where the spots of section `name` lie, and how far apart."""
    if facts.n_outside:  # then the figures on tissue and pitch say nothing more
        return [
            _of_section(
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
        findings.append(_of_section("error", "misaligned spots", name, facts.alignment.message))
    if facts.alignment.verdict == "unclear":
        message = facts.alignment.message
        findings.append(_of_section("warning", "ambiguous orientation", name, message))
    if facts.pitch_um > MAX_PITCH_UM:
        findings.append(
            _of_section(
                "error",
                "spot pitch",
                name,
                f"neighbouring spots would lie {facts.pitch_um:.0f} um apart at {facts.mpp:g} "
                "um/px, but on known arrays they lie at most 200 um apart; check the pixel size.",
            )
        )
    return findings


def require_sound(findings: Iterable[Finding]) -> None:
    """Refuse a cohort with errors; log the warnings of one without.

    Raises
    ------
    CohortError
        With the messages of the first errors and the number of the others.
    """
    findings = list(findings)
    errors = [finding.message for finding in findings if finding.severity == "error"]
    if not errors:
        for finding in findings:
            _log.warning("%s", finding.message)
        return
    more = len(errors) - MOST_SHOWN
    rest = [f"There {'is 1 more error' if more == 1 else f'are {more} more errors'}."]
    raise CohortError(" ".join(errors[:MOST_SHOWN] + (rest if more > 0 else [])))


def same_person(patient: str) -> str:
    """Reduce a patient id to what tells people apart: "BC 23450", "bc-23450", "23450" are one.

    Case, spaces and punctuation are dropped; so are a word such as "patient" before digits, and up
    to three letters before a number of four digits or more. "A1" and "B1" remain two people.
    """
    letters = re.sub(r"[\W_]+", "", patient.casefold())
    return _LETTER_PREFIX.sub("", _PERSON_WORD.sub("", letters))


def _of_section(severity: Severity, kind: Kind, name: str, message: str) -> Finding:
    return Finding(severity, kind, (name,), f"Section '{name}': {message}")


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
    for same in _groups(sections, lambda s: s.name.casefold()):
        yield Finding(
            "error",
            "duplicate name",
            tuple(s.name for s in same),
            f"{len(same)} sections are called '{same[0].name}'; give each a name of its own.",
        )


def _check_patients(sections: Sequence[Section]) -> Iterator[Finding]:
    for section in sections:
        if not section.patient:
            yield _of_section(
                "error",
                "no patient",
                section.name,
                "its patient's id is missing; give a pseudonym, the same for all sections of one "
                "patient.",
            )
    first_of_each = {s.patient: s for s in reversed(sections) if s.patient}
    patients = [s for s in sections if first_of_each.get(s.patient) is s]
    for same in _groups(patients, lambda s: same_person(s.patient)):
        ids = " and ".join(f"'{s.patient}' (section {s.name})" for s in same)
        yield Finding(
            "error",
            "similar patients",
            tuple(s.name for s in same),
            f"The patient ids {ids} look like one person; write one patient's id in one way, and "
            "make the ids of different patients differ in more than a prefix.",
        )


def _check_images(sections: Sequence[Section], folds: Sequence[Fold]) -> Iterator[Finding]:
    for same in _same_files(sections, lambda s: slide_files(s.image)):
        names = [s.name for s in same]
        leaks = any(set(names) & set(fold.train) and set(names) & set(fold.test) for fold in folds)
        yield Finding(
            "error" if leaks else "warning",
            "same image",
            tuple(names),
            f"Sections {_listed(names)} have the same image"
            + (", and a model would be tested on tissue that it has seen" if leaks else "")
            + "; remove one, or cut a slide with several sections into one image for each.",
        )


def _check_counts(sections: Sequence[Section]) -> Iterator[Finding]:
    found = [(s, facts) for s in sections if (facts := _facts_or_none(s))]
    equal = _groups(found, lambda pair: pair[1].counts_fingerprint)
    by_content = [[section for section, _ in group] for group in equal]
    known = [set(group) for group in by_content]
    # one file with two spot files gives different counts, but is still one measurement
    by_file = _same_files(sections, lambda s: counts_files(s.counts))
    for same in [*by_content, *(g for g in by_file if not any(set(g) <= k for k in known))]:
        names = [s.name for s in same]
        yield Finding(
            "error",
            "same counts",
            tuple(names),
            f"Sections {_listed(names)} have the same counts, so one of them has the wrong files; "
            "correct its files or remove it.",
        )


def _check_genes(sections: Sequence[Section]) -> Iterator[Finding]:
    genes = {s.name: set(facts.genes) for s in sections if (facts := _facts_or_none(s))}
    if len(genes) < 2 or set.intersection(*genes.values()):
        return
    remedy = "check that all sections name their genes in the same way and are of one species."
    alone = [
        name
        for name, own in genes.items()
        if not any(own & others for other, others in genes.items() if other != name)
    ]
    if alone:
        yield _of_section(
            "error",
            "no common gene",
            alone[-1],
            f"it counts none of the genes of the other sections; {remedy}",
        )
    else:
        yield Finding("error", "no common gene", (), f"The sections share no gene; {remedy}")


def _facts_or_none(section: Section) -> SectionFacts | None:
    try:
        return section_facts(section)
    except HistospaceError:  # `check_section` reports it
        return None


def _same_files(
    sections: Sequence[Section], files: Callable[[Section], list[Path]]
) -> list[list[Section]]:
    """Group sections whose files have equal content; only files of equal size are read."""
    versions = {section: file_versions(files(section)) for section in sections}
    same_size = _groups(sections, lambda s: tuple(size for _, size, _ in versions[s]))
    return [
        same
        for group in same_size
        if all(versions[s] for s in group)  # a missing file equals no other
        for same in _groups(group, lambda s: tuple(_digest(v) for v in versions[s]))
    ]


@lru_cache(maxsize=4096)
def _digest(version: FileVersion) -> str:
    return sha256(version[0])


def _groups(items: Iterable[_Item], key: Callable[[_Item], Hashable]) -> list[list[_Item]]:
    """Return the groups of two or more items with an equal key."""
    groups: dict[Hashable, list[_Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [group for group in groups.values() if len(group) > 1]


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
