"""Folds of a cohort: which sections teach and which are held out."""

from collections.abc import Sequence
from dataclasses import dataclass

from histospace_core.errors import CohortError
from histospace_core.evaluation import audit, require_clean
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
        An unknown section, nothing left to train on, or a section on both sides.
    """
    if train or test:
        return [_named(sections, train, test)]
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


def refuse_leaks(sections: Sequence[Section], folds: Sequence[Fold], by: str = "patient") -> None:
    """Refuse folds whose test is known to their training side.

    Parameters
    ----------
    by
        "section": the user knows that a patient is on both sides. The same image or counts never
        may be.

    Raises
    ------
    CohortError
    """
    named = {s.name: s for s in sections}
    for fold in folds:
        findings = audit([named[n] for n in fold.train], [named[n] for n in fold.test])
        require_clean(findings, allow_same_patient=by == "section")


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


def _fold(sections: Sequence[Section], train: Sequence[str], test: Sequence[str]) -> Fold:
    patient = {s.name: s.patient for s in sections}
    shared = {patient[n] for n in train} & {patient[n] for n in test}
    return Fold(tuple(train), tuple(test), bool(shared))
