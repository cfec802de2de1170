"""Each rule of the cohort check, and when it is an error."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from builders.sections import make_section_files
from builders.slide_files import MPP
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.errors import CohortError
from histospace_core.training import Section, make_folds
from histospace_core.training.cohort_check import cohort_check, same_person
from histospace_core.training.findings import Finding, require_sound


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Section]:
    """A1 and A2 of patient A, B1 of patient B."""
    folder = tmp_path_factory.mktemp("cohort")
    return [
        Section(name, name[0], *make_section_files(folder, name, seed, 800), MPP)
        for seed, name in enumerate(("A1", "A2", "B1"))
    ]


@pytest.fixture
def sections(files: list[Section], tmp_path: Path) -> list[Section]:
    """The same as files of their own, to spoil."""

    def copied(file: Path | None) -> Path:
        assert file is not None
        return Path(shutil.copy2(file, tmp_path))

    return [
        replace(s, image=copied(s.image), counts=copied(s.counts), spots=copied(s.spots))
        for s in files
    ]


def errors(sections: list[Section]) -> list[Finding]:
    return [f for f in cohort_check(sections) if f.severity == "error"]


def test_a_sound_cohort_has_no_error(files: list[Section]) -> None:
    assert errors(files) == []
    require_sound(cohort_check(files))


def test_no_section() -> None:
    with pytest.raises(CohortError, match="no section; add at least one"):
        require_sound(cohort_check([]))


@pytest.mark.parametrize(
    ("names", "patients", "kind", "sentence"),
    [
        (("A1", "A2", "B1"), ("", "A", "B"), "no patient", "its patient's id is missing"),
        (("A1", "../x", "B1"), "AAB", "section name", "'../x' cannot be the name of a section"),
        (("A1", ".x", "B1"), "AAB", "section name", "cannot be the name"),
        (("A1", "a1", "B1"), "AAB", "duplicate name", "2 sections are called 'A1'"),
        (("A1", "A1", "B1"), "AAB", "duplicate name", "2 sections are called 'A1'"),
        (("A1", "A2", "B1"), ("P 1", "p-1", "B"), "similar patients", "look like one person"),
        (("A1", "A2", "B1"), ("BC23450", "23450", "B"), "similar patients", "one person"),
    ],
)
def test_names_that_mislead(
    files: list[Section], names: tuple[str, ...], patients: str, kind: str, sentence: str
) -> None:
    renamed = [
        replace(s, name=name, patient=patient)
        for s, name, patient in zip(files, names, patients, strict=True)
    ]
    (finding,) = errors(renamed)
    assert finding.kind == kind
    assert sentence in finding.message


@pytest.mark.parametrize("name", ["C2", "TENX95", "V1_Breast.Cancer-A 1", "Größe 2"])
def test_usual_names_pass(files: list[Section], name: str) -> None:
    assert errors([replace(files[0], name=name)]) == []


@pytest.mark.parametrize(
    ("known", "held"),
    [
        ("BC23450", "23450"),
        ("BT23450", "BC23450"),
        ("B", "b "),
        ("Patient 7", "7"),
        ("HER-02", "her 02"),
    ],
)
def test_patients_that_look_the_same(known: str, held: str) -> None:
    assert same_person(known) == same_person(held)


@pytest.mark.parametrize(
    ("one", "other"), [("A", "B"), ("A1", "B1"), ("P1", "P11"), ("BC23450", "BC23451")]
)
def test_patients_that_differ(one: str, other: str) -> None:
    assert same_person(one) != same_person(other)


@given(st.text(min_size=1))
def test_spaces_around_an_id_do_not_make_another_person(patient: str) -> None:
    assert same_person(f" {patient}\t") == same_person(patient)


def test_one_image_on_both_sides_is_an_error(sections: list[Section]) -> None:
    a1, a2, b1 = sections
    shutil.copy(a1.image, b1.image)
    (finding,) = errors(sections)
    assert (finding.kind, finding.sections) == ("same image", ("A1", "B1"))
    assert "one image for each" in finding.message
    (fold,) = make_folds([a1, a2, b1], train=["A1"], test=["B1"])
    assert [f.kind for f in cohort_check([a1, b1], [fold]) if f.severity == "error"] == [
        "same image"
    ]


def test_one_image_that_is_held_out_together_is_a_warning(sections: list[Section]) -> None:
    a1, a2, _ = sections
    shutil.copy(a1.image, a2.image)
    assert errors(sections) == []
    assert [f.sections for f in cohort_check(sections) if f.kind == "same image"] == [("A1", "A2")]
    by_section = make_folds(sections, "section")
    (finding,) = [f for f in cohort_check(sections, by_section) if f.kind == "same image"]
    assert finding.severity == "error"


def test_a_changed_file_is_read_again(sections: list[Section]) -> None:
    a1, _, b1 = sections
    size = max(a1.image.stat().st_size, b1.image.stat().st_size)
    for section in (a1, b1):  # of one size, so that content decides; PNG ignores what follows
        section.image.write_bytes(section.image.read_bytes().ljust(size, b"\0"))
    assert errors([a1, b1]) == []
    b1.image.write_bytes(a1.image.read_bytes())
    os.utime(b1.image, ns=(1, 1))
    assert [f.kind for f in errors([a1, b1])] == ["same image"]


@pytest.mark.parametrize("patient", ["A", "B"])
def test_equal_counts_in_another_order_under_another_name(
    sections: list[Section], patient: str
) -> None:
    a1, _, b1 = sections
    counts = pd.read_csv(a1.counts, sep="\t", index_col=0)
    counts.iloc[::-1, ::-1].to_csv(b1.counts, sep="\t")
    (finding,) = errors([a1, replace(b1, patient=patient)])
    assert (finding.kind, finding.sections) == ("same counts", ("A1", "B1"))


def test_equal_counts_gzipped(sections: list[Section], tmp_path: Path) -> None:
    a1, _, b1 = sections
    packed = tmp_path / "packed.tsv.gz"
    pd.read_csv(a1.counts, sep="\t", index_col=0).to_csv(packed, sep="\t")
    (finding,) = errors([a1, replace(b1, counts=packed)])
    assert (finding.kind, finding.sections) == ("same counts", ("A1", "B1"))


def test_one_counts_file_with_two_spot_files(sections: list[Section], tmp_path: Path) -> None:
    a1, _, b1 = sections
    fewer = tmp_path / "fewer.tsv"
    pd.read_csv(a1.spots, sep="\t").iloc[1:].to_csv(fewer, sep="\t", index=False)
    (finding,) = errors([a1, replace(b1, counts=a1.counts, spots=fewer)])
    assert (finding.kind, finding.sections) == ("same counts", ("A1", "B1"))


def test_no_gene_in_common(sections: list[Section]) -> None:
    def rename(section: Section, names: dict[str, str]) -> None:
        counts = pd.read_csv(section.counts, sep="\t", index_col=0)
        counts[list(names)].rename(columns=names).to_csv(section.counts, sep="\t")

    rename(sections[0], {"ERBB2": "ERBB2", "CD74": "CD74"})
    rename(sections[1], {"CD74": "CD74", "VIM": "VIM"})
    rename(sections[2], {"VIM": "VIM", "ERBB2": "ERBB2"})
    (finding,) = errors(sections)
    assert (finding.kind, finding.sections) == ("no common gene", ())
    rename(sections[2], {"VIM": "Vim", "ERBB2": "Erbb2"})
    (finding,) = errors(sections)
    assert finding.sections == ("B1",)
    assert "counts none of the genes of the other sections" in finding.message
