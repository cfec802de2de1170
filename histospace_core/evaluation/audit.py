"""Leakage: does a held-out section reach the training side under this or another name?"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from anndata import AnnData

from histospace_core.errors import CohortError

SAME_PATIENT = "same patient"
SIMILAR_PATIENT = "similar patient"
SAME_IMAGE = "same image"
SAME_COUNTS = "same counts"
_OF_PATIENTS = (SAME_PATIENT, SIMILAR_PATIENT)
_WORD = re.compile(r"^(?:patient|patid|pat|pt|subject|subj|case|donor)(?=\d)")
_PREFIX = re.compile(r"^[a-z]{1,3}(?=\d{4,}$)")
_MATRICES = ("*filtered_feature_bc_matrix.h5", "*filtered_feature_bc_matrix/matrix.mtx*")


class AuditedSection(Protocol):
    """What the audit needs of a section of a cohort."""

    @property
    def name(self) -> str: ...
    @property
    def patient(self) -> str: ...
    @property
    def image(self) -> Path: ...
    @property
    def counts(self) -> Path: ...


def audit(
    train: Sequence[AuditedSection],
    test: Sequence[AuditedSection],
    measured: Mapping[str, AnnData] | None = None,
) -> list[str]:
    """Look for ways in which the test sections are known to the training side.

    Parameters
    ----------
    train, test
        Sections of the two sides.
    measured
        Counts by section name, where they are in memory: then counts that are the same in another
        file format or order are found too.

    Returns
    -------
    Findings as "kind: sentence", none where the fold is clean. Kinds: "same patient", "similar
    patient" (ids that differ in case, blanks, punctuation or a prefix, as BC23450 and 23450 in the
    ST-Net cohort), "same image", "same counts" (by content, not by name).
    """
    findings = [*_patients(train, test), *_names(train, test)]
    findings += _shared_files(SAME_IMAGE, train, test, _image_content)
    findings += _shared_files(SAME_COUNTS, train, test, _counts_content)
    if measured:
        prints = {
            s.name: fingerprint(measured[s.name]) for s in (*train, *test) if s.name in measured
        }
        findings += [
            f"{SAME_COUNTS}: sections {a.name} (training) and {b.name} (held out) hold identical "
            "counts"
            for a in train
            for b in test
            if a.name in prints and prints[a.name] == prints.get(b.name)
        ]
    return list(dict.fromkeys(findings))


def require_clean(findings: Sequence[str], allow_same_patient: bool = False) -> None:
    """Refuse a fold that leaks.

    Parameters
    ----------
    allow_same_patient
        The user asked for folds by section: one patient on both sides is then what they wanted.
        The same image or counts on both sides never are.

    Raises
    ------
    CohortError
        With the first finding, how many more there are, and what to do.
    """
    barred = [
        f for f in findings if not (allow_same_patient and f.partition(":")[0] in _OF_PATIENTS)
    ]
    if not barred:
        return
    kind, _, sentence = barred[0].partition(": ")
    more = f" (and {len(barred) - 1} more)" if len(barred) > 1 else ""
    advice = {
        SAME_PATIENT: "hold out whole patients, or ask for folds by section",
        SIMILAR_PATIENT: "give one patient one id, and different patients ids that differ in more "
        "than a prefix",
        SAME_IMAGE: "remove one, or cut a slide with several sections into an image of each",
    }.get(kind, "remove one of the two")
    raise CohortError(f"The test is not unseen: {sentence}{more}; {advice}.")


def same_person(patient: str) -> str:
    """Reduce a patient id to what tells people apart: "BC 23450", "bc-23450", "23450" are one.

    Case, blanks and punctuation go; so do a word such as "patient" before digits, and up to three
    letters before a number of four digits or more. "A1" and "B1" stay two.
    """
    plain = re.sub(r"[\W_]+", "", patient.casefold())
    return _PREFIX.sub("", _WORD.sub("", plain))


def fingerprint(measured: AnnData) -> str:
    """Digest of the counts that does not depend on the order of spots or genes, or on the file."""
    by_gene = np.asarray(measured.X.sum(0), dtype=np.float64).ravel()
    by_spot = np.sort(np.asarray(measured.X.sum(1), dtype=np.float64).ravel())
    present = sorted(
        (str(gene), total)
        for gene, total in zip(measured.var_names, by_gene, strict=True)
        if total > 0
    )
    return hashlib.sha256(repr((present, by_spot.tolist())).encode()).hexdigest()


def _patients(train: Sequence[AuditedSection], test: Sequence[AuditedSection]) -> Iterable[str]:
    for patient in dict.fromkeys(s.patient for s in test):
        held = ", ".join(s.name for s in test if s.patient == patient)
        for other in dict.fromkeys(s.patient for s in train):
            known = ", ".join(s.name for s in train if s.patient == other)
            if other == patient:
                yield (
                    f"{SAME_PATIENT}: patient {patient} is on both sides ({known} in training, "
                    f"{held} held out)"
                )
            elif same_person(other) == same_person(patient):
                yield (
                    f"{SIMILAR_PATIENT}: patients '{other}' ({known} in training) and '{patient}' "
                    f"({held} held out) look like one person"
                )


def _names(train: Sequence[AuditedSection], test: Sequence[AuditedSection]) -> Iterable[str]:
    for name in sorted({s.name for s in train} & {s.name for s in test}):
        yield f"same section: section {name} is in training and held out"


def _shared_files(
    kind: str,
    train: Sequence[AuditedSection],
    test: Sequence[AuditedSection],
    content: Callable[[AuditedSection], str],
) -> Iterable[str]:
    of_train: dict[str, str] = {}
    for section in train:
        of_train.setdefault(content(section), section.name)
    for section in test:
        other = of_train.get(content(section))
        if other is not None:
            what = kind.removeprefix("same ")
            yield (
                f"{kind}: sections {other} (training) and {section.name} (held out) have the same "
                f"{what} file"
            )


def _image_content(section: AuditedSection) -> str:
    return _digest_of(section.image, ("*",))


def _counts_content(section: AuditedSection) -> str:
    return _digest_of(section.counts, _MATRICES)


def _digest_of(path: Path, patterns: Sequence[str]) -> str:
    """Digest of a file, or of the files of a folder that match the first pattern that any does."""
    files = [path] if path.is_file() else []
    if path.is_dir():
        found = (sorted(p for p in path.rglob(pattern) if p.is_file()) for pattern in patterns)
        files = next((f for f in found if f), [])
    if not files:
        return f"no content: {path}"
    return " ".join(_digest(f, (i := f.stat()).st_size, i.st_mtime_ns) for f in files)


@lru_cache(maxsize=4096)
def _digest(file: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, unpacked where it is gzipped; read once while size and time stand."""
    with file.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if packed else raw
        digest = hashlib.sha256()
        try:
            while block := stream.read(1 << 20):
                digest.update(block)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            digest.update(b"truncated")  # reading the section will say so
    return digest.hexdigest()
