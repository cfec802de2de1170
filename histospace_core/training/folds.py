"""Folds of a cohort: which sections teach and which are held out."""

from collections.abc import Sequence
from dataclasses import dataclass

from histospace_core.errors import CohortError
from histospace_core.training.cohort import Section


@dataclass(frozen=True)
class Fold:
    """Names of the training and of the held-out sections.

    `same_patient` is True where a patient is on both sides: such a score says how well a patient's
    other sections are predicted, not how well a new patient is.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    same_patient: bool


def make_folds(
    sections: Sequence[Section],
    by: str = "patient",
    *,
    train: Sequence[str] = (),
    test: Sequence[str] = (),
) -> list[Fold]:
    """Leave one patient (or section) out, or the one fold that `train` and `test` name.

    Raises
    ------
    CohortError
        An unknown section, nothing left to train on, or a section on both sides; a patient on both
        sides, unless `by` is "section".
    """
    if train or test:
        fold = _named(sections, train, test)
        if fold.same_patient and by == "patient":
            raise CohortError(_same_patient(sections, fold))
        return [fold]
    if by not in {"patient", "section"}:
        raise CohortError(f"Folds are by 'patient' or by 'section', not by '{by}'.")
    groups: dict[str, list[str]] = {}
    for s in sections:
        groups.setdefault(s.patient if by == "patient" else s.name, []).append(s.name)
    if len(groups) < 2:
        raise CohortError(
            f"The cohort has only one {by}, so none can be held out; "
            + ("add a patient or use --folds section." if by == "patient" else "add sections.")
        )
    everyone = [s.name for s in sections]
    return [
        _fold(sections, [n for n in everyone if n not in held], held) for held in groups.values()
    ]


def default_folds(sections: Sequence[Section]) -> list[Fold]:
    """Return the folds that a model is scored by when it is trained.

    One patient is left out at a time; one section where there is only one patient. A single section
    gives no fold.
    """
    if len({s.patient for s in sections}) > 1:
        return make_folds(sections, "patient")
    return make_folds(sections, "section") if len({s.name for s in sections}) > 1 else []


def sections_of(folds: Sequence[Fold], sections: Sequence[Section]) -> list[Section]:
    """Return the sections that the folds use, in the order of the cohort."""
    used = {name for fold in folds for name in (*fold.train, *fold.test)}
    return [s for s in sections if s.name in used]


def _named(sections: Sequence[Section], train: Sequence[str], test: Sequence[str]) -> Fold:
    known = [s.name for s in sections]
    for name in [*train, *test]:
        if name not in known:
            raise CohortError(f"The cohort has no section '{name}'; it has {', '.join(known)}.")
    if set(train) & set(test):
        both = ", ".join(sorted(set(train) & set(test)))
        raise CohortError(f"Section {both} is in both --train and --test; a test must be unseen.")
    learn = list(train) or [n for n in known if n not in test]
    held = list(test) or [n for n in known if n not in train]
    if not learn or not held:
        raise CohortError("--train and --test leave no section for the other side.")
    return _fold(sections, learn, held)


def _same_patient(sections: Sequence[Section], fold: Fold) -> str:
    patient = {s.name: s.patient for s in sections}
    both = next(patient[n] for n in fold.test if patient[n] in {patient[m] for m in fold.train})
    train = ", ".join(n for n in fold.train if patient[n] == both)
    test = ", ".join(n for n in fold.test if patient[n] == both)
    return (
        f"The test is not unseen: patient {both} is on both sides ({train} in training, "
        f"{test} held out); hold out whole patients, or ask for folds by section."
    )


def _fold(sections: Sequence[Section], train: Sequence[str], test: Sequence[str]) -> Fold:
    patient = {s.name: s.patient for s in sections}
    shared = {patient[n] for n in train} & {patient[n] for n in test}
    return Fold(tuple(train), tuple(test), bool(shared))
