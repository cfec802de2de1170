"""A cohort put together in the app: what it is refused for, and the table it becomes."""

import pytest

from histospace_core.catalog import SlideRow
from histospace_core.errors import CohortError
from histospace_core.training import make_folds, read_cohort
from histospace_core.web.train.cohort import (
    Member,
    held_out,
    require_sound,
    suggested_section,
    write_cohort,
)
from histospace_core.web.train.section_check import SectionCheck


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


def good(i: int, **change: object) -> SectionCheck:
    facts = {"verdict": "aligned", "n_spots": 9, "genes": ("ERBB2", "CD74"), "fingerprint": str(i)}
    return SectionCheck(**{**facts, **change})


def checks(*changes: dict) -> dict[str, SectionCheck]:
    return {str(i): good(i, **(changes[i] if i < len(changes) else {})) for i in range(3)}


def test_a_sound_cohort_passes(slides):
    require_sound(members(slides, "AAB"), checks())


@pytest.mark.parametrize(
    ("patients", "sections", "sentence"),
    [
        (("", "A", "B"), ("A1", "A2", "B1"), "Section A1 needs its patient's id"),
        (("A", "A", "B"), ("A1", "../x", "B1"), "'../x' is no name for a section"),
        (("A", "A", "B"), ("A1", "a1", "B1"), "Two sections are called A1"),
        (("P 1", "p-1", "B"), ("A1", "A2", "B1"), "look like one person"),
        (("BC23450", "23450", "B"), ("A1", "A2", "B1"), "look like one person"),
    ],
)
def test_names_that_mislead_are_refused(slides, patients, sections, sentence):
    with pytest.raises(CohortError, match=sentence):
        require_sound(members(slides, patients, sections), checks())


def test_the_same_counts_under_two_names_are_refused(slides):
    with pytest.raises(CohortError, match="Sections A1 and B1 hold the same counts"):
        require_sound(members(slides, "AAB"), checks({}, {}, {"fingerprint": "0"}))


def test_a_section_that_cannot_be_used_is_named(slides):
    with pytest.raises(CohortError, match="Section A2: 12% of the spots lie on tissue"):
        require_sound(members(slides, "AAB"), checks({}, {"problem": "12% of the spots lie on t"
                                                              "issue; turn it."}))  # fmt: skip


def test_no_gene_in_common_and_no_section_are_refused(slides):
    with pytest.raises(CohortError, match="no gene in common"):
        require_sound(members(slides, "AAB"), checks({}, {}, {"genes": ("Erbb2",)}))
    with pytest.raises(CohortError, match="No section is chosen"):
        require_sound([], {})


@pytest.mark.parametrize(
    ("patients", "by", "n", "said"),
    [
        ("AAB", "patient", 2, "a new patient is predicted"),
        ("AAA", "section", 3, "optimistic"),
        ("A", "nothing", 0, "no scores"),
    ],
)
def test_how_it_is_held_out_is_said_and_is_what_training_does(slides, patients, by, n, said):
    chosen = members(slides[: len(patients)], patients, ("A1", "A2", "B1")[: len(patients)])
    plan = held_out(chosen)
    assert (plan.by, plan.n_folds) == (by, n)
    assert said in plan.sentence
    if n:
        table = write_cohort(slides[0].file.parent / "cohorts", chosen)
        folds = make_folds(read_cohort(table), by)
        assert len(folds) == n
        assert any(fold.same_patient for fold in folds) == (by == "section")


def test_the_table_is_read_back_as_it_was_meant(slides, tmp_path):
    table = write_cohort(tmp_path / "cohorts", members(slides, "AAB"))
    sections = read_cohort(table)
    assert [(s.name, s.patient) for s in sections] == [("A1", "A"), ("A2", "A"), ("B1", "B")]
    assert [s.mpp for s in sections] == [None, 0.5, 0.5]  # what the file states is read from it
    assert sections[0].spots is None
    assert sections[1].counts.samefile(tmp_path / "counts1")


def test_the_same_cohort_is_the_same_file(slides, tmp_path):
    once = write_cohort(tmp_path / "cohorts", members(slides, "AAB"))
    assert write_cohort(tmp_path / "cohorts", members(slides, "AAB")) == once
    assert write_cohort(tmp_path / "cohorts", members(slides, "ABB")) != once
    assert len(list((tmp_path / "cohorts").iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "section"),
    [("C2.ome.tif", "C2"), ("<b>x</b>.svs", "b-x-b"), ("…", "section"), ("a b.svs", "a-b")],
)
def test_a_slide_suggests_a_name(name, section):
    assert suggested_section(name) == section
