"""Cohort tables, and every way one can be wrong."""

from pathlib import Path

import pytest

from histospace_core.errors import CohortError
from histospace_core.slides.view import View
from histospace_core.training import load_sections, read_cohort

HEADER = "section,patient,image,counts,spots,mpp\n"


def _table(folder: Path, text: str) -> Path:
    for name in ("i.png", "c.tsv", "s.tsv"):
        (folder / name).touch()
    table = folder / "cohort.csv"
    table.write_text(text, "utf-8")
    return table


def test_paths_are_relative_to_the_table(tmp_path: Path) -> None:
    (row,) = read_cohort(_table(tmp_path, HEADER + "S1,P1,i.png,c.tsv,s.tsv,0.69\n"))
    assert (row.name, row.patient, row.image, row.mpp) == ("S1", "P1", tmp_path / "i.png", 0.69)
    (row,) = read_cohort(_table(tmp_path, HEADER + "S1,P1,i.png,c.tsv,,\n"))
    assert row.spots is None
    assert row.mpp is None


def test_a_spreadsheets_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert read_cohort(_table(tmp_path, "\ufeff" + HEADER + "S1,P1,i.png,c.tsv,s.tsv,0.5\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER, "lists no section"),
        ("section,image\nS1,i.png\n", "lacks the column patient"),
        (HEADER + "S1,P1,absent.png,c.tsv,s.tsv,0.69\n", "line 2: there is no file 'absent.png'"),
        (
            HEADER + "S1,,i.png,c.tsv,s.tsv,0.69\n",
            "line 2 lacks a value; give section, patient, image and counts",
        ),
        (HEADER + "S1,P1,i.png,c.tsv,s.tsv,nan\n", "not a pixel size"),
        (HEADER + "S1,P1,i.png,c.tsv,s.tsv,-1\n", "not a pixel size"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        read_cohort(_table(tmp_path, text))


def test_missing_and_binary_table(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no cohort table"):
        read_cohort(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01" * 9)
    with pytest.raises(CohortError, match="not a CSV"):
        read_cohort(tmp_path / "binary.csv")


@pytest.mark.shared
def test_real_section(shared: Path, tmp_path: Path) -> None:
    her2st = shared / "her2st"
    table = tmp_path / "cohort.csv"
    row = [
        "C5", "C", *(str(her2st / p) for p in (
            "ST-imgs/C/C5/5714_HE_BT_E1.jpg",
            "ST-cnts/C5.tsv.gz",
            "ST-spotfiles/C5_selection.tsv",
        )), "0.69",
    ]  # fmt: skip
    table.write_text(HEADER + ",".join(row) + "\n", "utf-8")
    data = load_sections(read_cohort(table), [View(128, 0.69)])["C5"]
    assert data.tiles.shape == (181, 128, 128, 3)
    assert data.measured.n_obs == 181
    assert data.tiles.mean() < 235  # tissue, not glass
