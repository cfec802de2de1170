"""Rules on what the sections of a cohort share: images, counts and genes."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from histospace_core.errors import HistospaceError
from histospace_core.files import content_sha256
from histospace_core.slides.content import slide_files
from histospace_core.training.cohort import Section
from histospace_core.training.findings import Finding, section_finding
from histospace_core.training.folds import Fold
from histospace_core.training.section_facts import (
    SectionFacts,
    counts_files,
    section_facts,
)

_Item = TypeVar("_Item")


def check_images(sections: Sequence[Section], folds: Sequence[Fold]) -> Iterator[Finding]:
    """Find sections with one image; an error if a fold trains on it and tests on it."""
    # some formats need several files
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


def check_counts(sections: Sequence[Section]) -> Iterator[Finding]:
    """Find sections with equal counts: in any format and order, or in one file."""
    found = [(s, facts) for s in sections if (facts := _facts_or_none(s))]
    equal = equal_groups(found, lambda pair: pair[1].counts_fingerprint)
    by_content = [[section for section, _ in group] for group in equal]
    known = [set(group) for group in by_content]
    # with other spot files, one counts file gives other counts but remains one measurement
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


def check_genes(sections: Sequence[Section]) -> Iterator[Finding]:
    """Find out whether no gene is common to all sections."""
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
        yield section_finding(
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
    existing = {s: [file for file in files(s) if file.is_file()] for s in sections}
    same_size = equal_groups(
        [s for s in sections if existing[s]],  # a missing file equals no other
        lambda s: tuple(file.stat().st_size for file in existing[s]),
    )
    return [
        same
        for group in same_size
        for same in equal_groups(group, lambda s: content_sha256(*existing[s]))
    ]


def equal_groups(items: Iterable[_Item], key: Callable[[_Item], Hashable]) -> list[list[_Item]]:
    """Return the groups of two or more items with an equal key."""
    groups: dict[Hashable, list[_Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [group for group in groups.values() if len(group) > 1]


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
