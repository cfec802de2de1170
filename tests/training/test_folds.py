"""Folds: no patient on both sides unless it is asked for and said."""

from pathlib import Path

import pytest

from histospace_core.errors import CohortError
from histospace_core.training import Section, make_folds
from histospace_core.training.folds import default_folds, sections_of


def _sections(*names: str) -> list[Section]:
    return [Section(n, n[0], Path(n), Path(n), None, 0.69) for n in names]


COHORT = _sections("B4", "C2", "C3")


def test_leave_one_patient_out() -> None:
    folds = make_folds(COHORT)
    assert [(f.train, f.test) for f in folds] == [(("C2", "C3"), ("B4",)), (("B4",), ("C2", "C3"))]
    assert not any(f.same_patient for f in folds)


def test_leave_one_section_out_says_where_a_patient_is_on_both_sides() -> None:
    folds = {f.test: f for f in make_folds(COHORT, "section")}
    assert folds["C2",].same_patient
    assert not folds["B4",].same_patient


def test_named_fold() -> None:
    (fold,) = make_folds(COHORT, train=["C2", "C3"], test=["B4"])
    assert (fold.train, fold.test, fold.same_patient) == (("C2", "C3"), ("B4",), False)
    (rest,) = make_folds(COHORT, test=["B4"])
    assert rest == fold


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": ["C2"], "test": ["C2"]}, "both --train and --test"),
        ({"test": ["D1"]}, "no section 'D1'"),
        ({"test": ["B4", "C2", "C3"]}, "leave no section"),
        ({"by": "spot"}, "cannot be by 'spot'; choose"),
    ],
)
def test_impossible_folds(arguments: dict, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        make_folds(COHORT, **arguments)


def test_one_patient_cannot_be_held_out() -> None:
    with pytest.raises(CohortError, match="only one patient"):
        make_folds(_sections("C2", "C3"))


def test_a_named_fold_with_a_patient_on_both_sides_is_refused_unless_asked_for() -> None:
    named = {"train": ["C2"], "test": ["B4", "C3"]}
    with pytest.raises(CohortError, match=r"patient C is on both sides .*folds by section\.$"):
        make_folds(COHORT, **named)
    (fold,) = make_folds(COHORT, "section", **named)
    assert fold.same_patient


def test_default_folds() -> None:
    assert default_folds(COHORT) == make_folds(COHORT, "patient")
    assert default_folds(COHORT[1:]) == make_folds(COHORT[1:], "section")
    assert default_folds(COHORT[:1]) == []


def test_sections_of_a_fold() -> None:
    folds = make_folds(COHORT, train=["C3"], test=["B4"])
    assert [s.name for s in sections_of(folds, COHORT)] == ["B4", "C3"]
