"""Tables of sections of which only counts exist, and what is wrong with some."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.cohorts import N_GENES, make_section

from histospace_core.errors import CohortError
from histospace_core.training import MENDED, TrainingSet
from histospace_core.training.patient_levels import (
    levels_of,
    moved_profile,
    read_levels,
    require_fitting,
)

GENES = [f"G{i:02d}" for i in range(N_GENES)]


def write_counts(
    folder: Path, name: str, *, genes: list[str] | None = None, rate: float = 20, seed: int = 0
) -> str:
    rng = np.random.default_rng([seed, *name.encode()])
    names = genes or GENES
    counts = rng.poisson(rate, (30, len(names)))
    pd.DataFrame(counts, [f"{i}x1" for i in range(30)], names).to_csv(
        folder / f"{name}.tsv", sep="\t"
    )
    return f"{name}.tsv"


def table(folder: Path, *rows: str, header: str = "section,patient,counts") -> Path:
    (folder / "levels.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "levels.csv"


def test_counts_need_neither_an_image_nor_positions(tmp_path: Path) -> None:
    rows = [f"{n},{n[0]},{write_counts(tmp_path, n)}" for n in ("D1", "D2", "E1")]
    further = read_levels(table(tmp_path, *rows))
    assert [(s.name, s.patient, s.measured.shape) for s in further] == [
        ("D1", "D", (30, N_GENES)),
        ("D2", "D", (30, N_GENES)),
        ("E1", "E", (30, N_GENES)),
    ]
    data = [make_section("A1", "A", n=16)]
    require_fitting(data, further)
    levels = levels_of(data, further)
    assert levels.sections == ("A1", "D1", "D2", "E1")
    assert levels.n_patients == 3
    assert np.isfinite(levels.log10_cp10k).all()


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("section,patient", "D1,D", "lacks the column counts"),
        ("section,patient,counts", "D1,,D1.tsv", "line 2 lacks a value"),
        ("section,patient,counts", "D1,D,nowhere.tsv", "there is no file 'nowhere.tsv'"),
        ("section,patient,counts", "D1,D,broken.tsv", "line 2: broken.tsv"),
        ("section,patient,counts", "D1,D,empty.tsv", "every spot has a count of zero"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(
    tmp_path: Path, header: str, row: str, message: str
) -> None:
    write_counts(tmp_path, "D1")
    write_counts(tmp_path, "empty", rate=0)
    (tmp_path / "broken.tsv").write_text("\tG00\nspot\tmany\n")
    with pytest.raises(CohortError, match=message):
        read_levels(table(tmp_path, row, header=header))


def test_a_table_without_rows_or_with_one_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="lists no section"):
        read_levels(table(tmp_path))
    with pytest.raises(CohortError, match="no table of counts"):
        read_levels(tmp_path / "nowhere.csv")
    file = write_counts(tmp_path, "D1")
    with pytest.raises(CohortError, match="2 sections are called 'D1'"):
        read_levels(table(tmp_path, f"D1,D,{file}", f"D1,E,{file}"))


@pytest.mark.parametrize(
    ("name", "patient", "genes", "message"),
    [
        ("A1", "D", None, "in the cohort and in the table"),
        ("D1", "patient A", None, "look like one person"),
        ("D1", "D", [f"mouse{i}" for i in range(N_GENES)], "only 0% of the genes"),
        ("A2", "A", None, "do not show how patients differ"),
    ],
)
def test_counts_that_do_not_belong_are_refused(
    tmp_path: Path, name: str, patient: str, genes: list[str] | None, message: str
) -> None:
    file = write_counts(tmp_path, name, genes=genes)
    further = read_levels(table(tmp_path, f"{name},{patient},{file}"))
    # the id "A" and "patient A" are one person only where digits follow, as in real ids
    cohort_patient = "Patient-A" if patient == "patient A" else "A"
    with pytest.raises(CohortError, match=message):
        require_fitting([make_section("A1", cohort_patient, n=16)], further)


def test_the_same_counts_under_another_name_are_refused(tmp_path: Path) -> None:
    section = make_section("A1", "A", n=16)
    counts = pd.DataFrame(
        section.measured.X.toarray().astype(int), [f"{i}x1" for i in range(16)], GENES
    )
    counts.to_csv(tmp_path / "copy.tsv", sep="\t")
    further = read_levels(table(tmp_path, "X9,X,copy.tsv"))
    with pytest.raises(CohortError, match="are those of section 'A1'"):
        require_fitting([section], further)


def test_the_profile_moves_to_the_level_of_all_patients(tmp_path: Path) -> None:
    train = TrainingSet.of([make_section("A1", "A", n=16)], MENDED)
    same = moved_profile(train, levels_of(train.sections))
    np.testing.assert_allclose(same, train.mean_profile, atol=0.01)
    rows = [f"{n},{n[0]},{write_counts(tmp_path, n, rate=5)}" for n in ("D1", "E1")]
    for n in ("D1", "E1"):  # a gene that is ten times as high in the other patients
        counts = pd.read_csv(tmp_path / f"{n}.tsv", sep="\t", index_col=0)
        counts["G03"] *= 10
        counts.to_csv(tmp_path / f"{n}.tsv", sep="\t")
    levels = levels_of(train.sections, read_levels(table(tmp_path, *rows)))
    moved = moved_profile(train, levels)
    assert moved[3] > train.mean_profile[3] + 0.1
    others = np.arange(N_GENES) != 3
    assert np.abs(moved - train.mean_profile)[others].max() < moved[3] - train.mean_profile[3]
