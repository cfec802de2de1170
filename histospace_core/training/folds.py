"""Folds of a cohort: which sections train the network and which are held out."""

from collections.abc import Sequence
from dataclasses import dataclass

from histospace_core.errors import CohortError
from histospace_core.training.cohort import Section


@dataclass(frozen=True)
class Fold:
    """Names of the training and of the held-out sections.

    If `same_patient` is True, a patient is on both sides: the score is then for other sections of
    known patients, not for new patients.
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
    """Leave one patient (or section) out at a time, or make the fold that `train` and `test` name.

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
        raise CohortError(f"Folds cannot be by '{by}'; choose 'patient' or 'section'.")
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
    """Return the folds that score a model while it is trained.

    One patient is left out at a time, or one section if there is only one patient. A single section
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
        raise CohortError(f"Section {both} is in both --train and --test; name it in one of them.")
    learn = list(train) or [n for n in known if n not in test]
    held = list(test) or [n for n in known if n not in train]
    if not learn or not held:
        raise CohortError("--train and --test leave no section for the other side; name fewer.")
    return _fold(sections, learn, held)


def _same_patient(sections: Sequence[Section], fold: Fold) -> str:
    patient = {s.name: s.patient for s in sections}
    both = next(patient[n] for n in fold.test if patient[n] in {patient[m] for m in fold.train})
    train = ", ".join(n for n in fold.train if patient[n] == both)
    test = ", ".join(n for n in fold.test if patient[n] == both)
    return (
        f"The test sections are not of new patients: patient {both} is on both sides ({train} in "
        f"training, {test} held out); hold out whole patients, or choose folds by section."
    )


def _fold(sections: Sequence[Section], train: Sequence[str], test: Sequence[str]) -> Fold:
    patient = {s.name: s.patient for s in sections}
    shared = {patient[n] for n in train} & {patient[n] for n in test}
    return Fold(tuple(train), tuple(test), bool(shared))
