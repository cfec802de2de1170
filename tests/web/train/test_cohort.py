"""A cohort put together in the app: its check, its scoring plan, its table."""

import pytest

from histospace_core.catalog import SlideRow
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.training import make_folds, read_cohort
from histospace_core.web.train.cohort import (
    Member,
    check_members,
    scoring_plan,
    sections_of,
    suggest_section_name,
    write_cohort,
)


@pytest.fixture
def slides(tmp_path):
    """Three slides with their counts; the files need only be there."""
    rows = []
    for i in range(3):
        files = {kind: tmp_path / f"{kind}{i}" for kind in ("image", "counts", "spots")}
        for file in files.values():
            file.write_text("x")
        rows.append(
            SlideRow(
                id=str(i),
                name=f"s{i}.png",
                path=str(files["image"]),
                mpp=0.5,
                mpp_source="user" if i else "file",
                counts_path=str(files["counts"]),
                spots_path=str(files["spots"]) if i else None,
            )
        )
    return rows


def members(slides, patients, sections=("A1", "A2", "B1")):
    return [Member(*three) for three in zip(slides, sections, patients, strict=True)]


def test_a_slide_without_counts_is_named(slides):
    slides[1].counts_path = None
    findings = check_members(members(slides, "AAB"))
    assert ("no counts", ("A2",)) in [(f.kind, f.sections) for f in findings]
    assert len(findings) > 1, "the other sections are checked too"
    (finding,) = check_members(members(slides, "AAB")[1:2])
    assert "s1.png has no measured expression yet" in finding.message


def test_no_member_is_an_error():
    (finding,) = check_members([])
    assert (finding.severity, finding.kind) == ("error", "no section")


@pytest.mark.parametrize(
    ("patients", "by", "n", "said"),
    [
        ("AAB", "patient", 2, "the model predicts a new patient"),
        ("AAA", "section", 3, "optimistic"),
        ("A", "nothing", 0, "no scores"),
    ],
)
def test_how_it_is_held_out_is_said_and_is_what_training_does(slides, patients, by, n, said):
    chosen = sections_of(
        members(slides[: len(patients)], patients, ("A1", "A2", "B1")[: len(patients)])
    )
    plan = scoring_plan(chosen)
    assert (plan.by, plan.n_folds) == (by, n)
    assert said in plan.sentence
    if n:
        table = write_cohort(slides[0].file.parent / "cohorts", chosen)
        folds = make_folds(read_cohort(table), by)
        assert len(folds) == n
        assert any(fold.same_patient for fold in folds) == (by == "section")


def test_the_table_is_read_back_as_it_was_meant(slides, tmp_path):
    table = write_cohort(tmp_path / "cohorts", sections_of(members(slides, "AAB")))
    sections = read_cohort(table)
    assert [(s.name, s.patient) for s in sections] == [("A1", "A"), ("A2", "A"), ("B1", "B")]
    assert [s.mpp for s in sections] == [None, 0.5, 0.5]  # what the file states is read from it
    assert sections[0].spots is None
    assert sections[1].counts.samefile(tmp_path / "counts1")
    assert {(s.series, s.choice) for s in sections} == {(None, ONLY)}


def test_the_table_says_what_was_chosen(slides, tmp_path):
    slides[0].series = "left"
    slides[1].measured_choice = {"sample": "A", "bin": "8", "library": None}
    slides[2].measured_choice = {"library": "LV123"}
    sections = read_cohort(write_cohort(tmp_path, sections_of(members(slides, "AAB"))))
    assert [s.series for s in sections] == ["left", None, None]
    assert [s.choice for s in sections] == [ONLY, Choice("A", "8"), Choice(library="LV123")]


def test_the_same_cohort_is_the_same_file(slides, tmp_path):
    once = write_cohort(tmp_path / "cohorts", sections_of(members(slides, "AAB")))
    assert write_cohort(tmp_path / "cohorts", sections_of(members(slides, "AAB"))) == once
    assert write_cohort(tmp_path / "cohorts", sections_of(members(slides, "ABB"))) != once
    assert len(list((tmp_path / "cohorts").iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "section"),
    [("C2.ome.tif", "C2"), ("<b>x</b>.svs", "b-x-b"), ("…", "section"), ("a b.svs", "a-b")],
)
def test_a_slide_suggests_a_name(name, section):
    assert suggest_section_name(name) == section
