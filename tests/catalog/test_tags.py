"""Tags, notes and names that users give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.catalog import Catalog, RunRow, SlideRow
from histospace_core.catalog.tags import LONGEST_TAG, MOST_TAGS, tidy_tags


def test_slides_are_found_by_name_note_and_tag(catalog: Catalog, fill) -> None:
    liver, lung = fill.slide("liver.svs", "01"), fill.slide("lung.svs", "02")
    catalog.describe_slide(liver.id, tags=["cohort A", "größe"], note="for the 50% meeting")
    catalog.describe_slide(lung.id, tags=["cohort B"], note="")
    found = {text: {s.name for s in catalog.slides(text)} for text in ("LIV", "50%", "ort b", "ß")}
    assert found == {
        "LIV": {"liver.svs"},
        "50%": {"liver.svs"},
        "ort b": {"lung.svs"},
        "ß": {"liver.svs"},
    }
    assert [s.name for s in catalog.slides(tags=["cohort A"])] == ["liver.svs"]
    assert len(catalog.slides(tags=["cohort A", "cohort B"])) == 2
    assert list(catalog.slides(tags=["cohort"])) == []  # a whole tag, not a part of one
    assert list(catalog.slides("lung", tags=["cohort A"])) == []
    assert catalog.tags(SlideRow) == ["cohort A", "cohort B", "größe"]
    assert catalog.tags(RunRow) == []


def test_runs_are_found_by_tag(catalog: Catalog, fill) -> None:
    slide = fill.slide()
    first, second = fill.run(slide, a=1), fill.run(slide, a=2)
    catalog.describe_run(first.id, tags=["batch 1"], note="kept")
    catalog.describe_run(first.id, tags=["batch 1", "odd"])
    assert catalog.run(first.id).tags == ("batch 1", "odd")
    assert catalog.run(first.id).note == "kept"
    assert [r.id for r in catalog.runs(tags=["odd"])] == [first.id]
    assert [r.id for r in catalog.runs(text="BATCH")] == [first.id]
    assert catalog.tags(RunRow) == ["batch 1", "odd"]
    assert [r.id for r in catalog.runs_by_id([second.id, "gone", first.id])] == [
        second.id,
        first.id,
    ]


def test_a_slide_is_renamed_and_keeps_its_type(catalog: Catalog, fill) -> None:
    slide = fill.slide("Miller 1961-04-02.svs")
    assert catalog.rename_slide(slide.id, "case 12.4").name == "case 12.4.svs"
    assert catalog.rename_slide(slide.id, "../b.SVS").name == "b.SVS"
    assert catalog.audit_trail(slide.id)[0].detail == {}, "not the name that was to go"


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        (["a", " a ", "b"], ("a", "b")),
        (["a,b", "c\nd"], ("a b", "c d")),
        (["", " ", ",", "\u202e"], ()),
        (["x" * 100], ("x" * LONGEST_TAG,)),
        ([str(i) for i in range(100)], tuple(str(i) for i in range(MOST_TAGS))),
    ],
)
def test_tags_are_tidied(tags: list[str], kept: tuple[str, ...]) -> None:
    assert tidy_tags(tags) == kept


@given(st.lists(st.text()))
def test_tidied_tags_stay_as_they_are(tags: list[str]) -> None:
    tidy = tidy_tags(tags)
    assert tidy_tags(tidy) == tidy
    assert not any("," in tag for tag in tidy)
