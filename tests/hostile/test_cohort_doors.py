"""One cohort through three doors, the app, the command line and Python: the same findings."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.sections import SectionFiles, make_section_files
from builders.slide_files import MPP
from PIL import Image
from streamlit.testing.v1 import AppTest

from histospace_core.cli import main
from histospace_core.server.context import close_context, get_context
from histospace_core.settings import get_settings
from histospace_core.slides.open import open_slide
from histospace_core.training import read_cohort
from histospace_core.training.cohort import Section
from histospace_core.training.cohort_check import cohort_check
from histospace_core.training.findings import MOST_SHOWN, Finding

PATIENTS = {"A1": "A", "A2": "A", "B1": "B"}
PAGES = Path(__file__).parents[2] / "pages"
ENTRY = """
import streamlit as st
st.navigation([st.Page("train.py"), st.Page("slides.py")]).run()
"""


class Cohort:
    """Three sections of two patients, and how each is entered in a cohort."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {
            name: make_section_files(folder, name, seed, 800) for seed, name in enumerate(PATIENTS)
        }
        self.patients = dict(PATIENTS)
        self.mpp = dict.fromkeys(PATIENTS, MPP)

    def table(self) -> Path:
        lines = ["section,patient,image,counts,spots,mpp"]
        for name, files in self.files.items():
            paths = ",".join(file.name for file in files)
            lines.append(f"{name},{self.patients[name]},{paths},{self.mpp[name]}")
        table = self.folder / "cohort.csv"
        table.write_text("\n".join(lines) + "\n")
        return table


def equal_counts(cohort: Cohort) -> None:
    """The counts of A1 again as those of B1: other file, other order of spots and genes."""
    a1, b1 = cohort.files["A1"], cohort.files["B1"]
    counts = pd.read_csv(a1.counts, sep="\t", index_col=0)
    order = np.random.default_rng(0).permutation(len(counts))
    counts.iloc[order, ::-1].to_csv(b1.counts, sep="\t")


def equal_counts_of_one_patient(cohort: Cohort) -> None:
    equal_counts(cohort)
    cohort.patients = {"A1": "A", "A2": "B", "B1": "A"}


def wide_pitch(cohort: Cohort) -> None:
    cohort.mpp["A2"] = 1.9  # 145 px between spots are then 276 um


def spots_outside_image(cohort: Cohort) -> None:
    """One spot of B1 lies beyond the lower edge; nearly all still lie on tissue."""
    spots = pd.read_csv(cohort.files["B1"].spots, sep="\t")
    spots.loc[0, "pixel_y"] = 5000
    spots.to_csv(cohort.files["B1"].spots, sep="\t", index=False)


def spots_of_reduced_image(cohort: Cohort) -> None:
    spots = pd.read_csv(cohort.files["A2"].spots, sep="\t")
    spots[["pixel_x", "pixel_y"]] //= 4
    spots.to_csv(cohort.files["A2"].spots, sep="\t", index=False)


def similar_patients(cohort: Cohort) -> None:
    cohort.patients = {"A1": "P 1", "A2": "P 2", "B1": "p-1"}


def similar_sections(cohort: Cohort) -> None:
    cohort.files = dict(zip(("A1", "a1", "B1"), cohort.files.values(), strict=True))
    cohort.patients["a1"], cohort.mpp["a1"] = "A", MPP


def no_tissue(cohort: Cohort) -> None:
    Image.new("RGB", (800, 800), (244, 244, 244)).save(cohort.files["A2"].image)


def other_genes(cohort: Cohort) -> None:
    counts = pd.read_csv(cohort.files["B1"].counts, sep="\t", index_col=0)
    counts.add_prefix("other").to_csv(cohort.files["B1"].counts, sep="\t")


def two_faults(cohort: Cohort) -> None:
    wide_pitch(cohort)
    equal_counts(cohort)


FAULTS = [
    (equal_counts, {("same counts", ("A1", "B1"))}),
    (equal_counts_of_one_patient, {("same counts", ("A1", "B1"))}),
    (wide_pitch, {("spot pitch", ("A2",))}),
    (spots_outside_image, {("spots outside image", ("B1",))}),
    (spots_of_reduced_image, {("misaligned spots", ("A2",))}),
    (similar_patients, {("similar patients", ("A1", "B1"))}),
    (similar_sections, {("duplicate name", ("A1", "a1"))}),
    (no_tissue, {("unreadable", ("A2",))}),
    (other_genes, {("no common gene", ("B1",))}),
    (two_faults, {("spot pitch", ("A2",)), ("same counts", ("A1", "B1"))}),
]


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return Cohort(tmp_path)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An app of its own in this process."""
    monkeypatch.setenv("HISTOSPACE_STORE", str(tmp_path / "store"))
    get_settings.cache_clear()
    close_context()
    yield tmp_path / "store"
    close_context()
    get_settings.cache_clear()


def by_python(cohort: Cohort) -> list[Finding]:
    return cohort_check(read_cohort(cohort.table()))


def by_app(cohort: Cohort) -> tuple[list[str], list[str], bool]:
    """Errors and warnings that the Train page shows, and whether it offers to train."""
    catalog, entries = get_context().catalog, {}
    for name, files in cohort.files.items():
        with open_slide(files.image, cohort.mpp[name]) as slide:
            row = catalog.add_slide(files.image, f"{name}.png", slide.sha256(), slide.properties)
        catalog.attach_measured(row.id, files.counts, files.spots)
        entries[row.id] = {"use": True, "section": name, "patient": cohort.patients[name]}
    entry = cohort.folder / "entry.py"  # a page links to another relative to the entry
    entry.write_text(ENTRY)
    for page in ("train.py", "slides.py"):
        (cohort.folder / page).symlink_to(PAGES / page)
    app = AppTest.from_file(entry, default_timeout=120)
    app.session_state["cohort-entries"] = entries
    app.run()
    next(button for button in app.button if button.label == "Check the cohort").click()
    app.run()
    assert not app.exception
    shown = [[text.value.replace("\\", "") for text in kind] for kind in (app.error, app.warning)]
    return shown[0], shown[1], any(button.label == "Train" for button in app.button)


def by_command(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> str:
    """What the command says when it refuses the cohort; it writes nothing."""
    out = cohort.folder / "out"
    command = ["histospace", verb, str(cohort.table()), "--out", str(out)]
    if verb == "leaderboard":
        command += ["--networks", "mean-profile"]
    monkeypatch.setattr(sys, "argv", command)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err.strip()
    assert stopped.value.code == 2, said
    assert len(said.splitlines()) == 1
    assert not out.exists()
    return said


@pytest.mark.parametrize(("spoil", "expected"), FAULTS)
def test_the_same_findings_through_all_doors(
    cohort: Cohort,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Cohort], None],
    expected: set[tuple[str, tuple[str, ...]]],
) -> None:
    spoil(cohort)
    findings = by_python(cohort)
    errors = [finding for finding in findings if finding.severity == "error"]
    assert {(error.kind, error.sections) for error in errors} == expected
    shown, _, offers_training = by_app(cohort)
    assert shown == [error.message for error in errors]
    assert not offers_training
    assert len(errors) <= MOST_SHOWN
    for verb in ("train", "evaluate", "leaderboard") if spoil is two_faults else ("train",):
        said = by_command(cohort, monkeypatch, capsys, verb)
        assert all(error.message in said for error in errors), (verb, said)


def test_a_sound_cohort_passes_and_its_warnings_are_shown(cohort: Cohort, store: Path) -> None:
    findings = by_python(cohort)
    assert all(finding.severity == "warning" for finding in findings)
    shown, warned, offers_training = by_app(cohort)
    assert shown == []
    assert warned == [finding.message for finding in findings]
    assert offers_training


def test_files_are_read_again_only_after_a_change(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histospace_core.training import section_facts

    read: list[SectionFiles] = []
    measure = section_facts._read

    def counting(section: Section) -> object:
        read.append(section.image)
        return measure(section)

    monkeypatch.setattr(section_facts, "_read", counting)
    no_tissue(cohort)
    first = by_python(cohort)
    assert by_python(cohort) == first
    assert sorted(read) == sorted(files.image for files in cohort.files.values())
    os.utime(cohort.files["A1"].counts, ns=(1, 1))
    by_python(cohort)
    assert read[3:] == [cohort.files["A1"].image]
