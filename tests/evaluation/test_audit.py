"""Leaks between the two sides of a fold, each by its name."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from histospace_core.errors import CohortError
from histospace_core.evaluation import audit, require_clean
from histospace_core.evaluation.audit import fingerprint, same_person


@dataclass(frozen=True)
class _Section:
    name: str
    patient: str
    image: Path
    counts: Path


def _section(folder: Path, name: str, patient: str, image: bytes = b"", counts: bytes = b""):  # type: ignore[no-untyped-def]
    (folder / f"{name}.jpg").write_bytes(image or f"image of {name}".encode())
    (folder / f"{name}.tsv").write_bytes(counts or f"counts of {name}".encode())
    return _Section(name, patient, folder / f"{name}.jpg", folder / f"{name}.tsv")


def test_a_clean_fold(tmp_path: Path) -> None:
    train, test = _section(tmp_path, "A1", "A"), _section(tmp_path, "B1", "B")
    assert audit([train], [test]) == []
    require_clean([])


def test_one_patient_on_both_sides(tmp_path: Path) -> None:
    a1, a2, b1 = (_section(tmp_path, name, name[0]) for name in ("A1", "A2", "B1"))
    findings = audit([a1, b1], [a2])
    assert findings == [
        "same patient: patient A is on both sides (A1 in training, A2 held out)",
    ]
    with pytest.raises(CohortError, match=r"patient A is on both sides .*folds by section\.$"):
        require_clean(findings)
    require_clean(findings, allow_same_patient=True)


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
def test_patients_that_look_the_same(tmp_path: Path, known: str, held: str) -> None:
    findings = audit([_section(tmp_path, "S1", known)], [_section(tmp_path, "S2", held)])
    assert [f.partition(":")[0] for f in findings] == ["similar patient"]
    with pytest.raises(CohortError, match="look like one person"):
        require_clean(findings)


@pytest.mark.parametrize(
    ("one", "other"), [("A", "B"), ("A1", "B1"), ("P1", "P11"), ("BC23450", "BC23451")]
)
def test_patients_that_differ(one: str, other: str) -> None:
    assert same_person(one) != same_person(other)


@given(st.text(min_size=1))
def test_a_patient_is_the_same_person_as_itself_in_another_dress(patient: str) -> None:
    assert same_person(f" {patient}\t") == same_person(patient)


def test_one_image_under_two_patients(tmp_path: Path) -> None:
    train = _section(tmp_path, "A1", "A", image=b"the same pixels")
    test = _section(tmp_path, "B1", "B", image=b"the same pixels")
    findings = audit([train], [test])
    assert findings == [
        "same image: sections A1 (training) and B1 (held out) have the same image file"
    ]
    with pytest.raises(CohortError, match="image of each"):
        require_clean(findings, allow_same_patient=True)


def test_one_table_of_counts_gzipped_under_another_name(tmp_path: Path) -> None:
    train = _section(tmp_path, "A1", "A", counts=b"a table")
    packed = _section(tmp_path, "B1", "B", counts=gzip.compress(b"a table", mtime=7))
    assert [f.partition(":")[0] for f in audit([train], [packed])] == ["same counts"]
    broken = _section(tmp_path, "C1", "C", counts=gzip.compress(b"a table")[:-9])
    assert audit([train], [broken]) == []


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    train = _section(tmp_path, "A1", "A", image=b"0123")
    test = _section(tmp_path, "B1", "B", image=b"4567")
    assert audit([train], [test]) == []
    test.image.write_bytes(b"0123")
    os.utime(test.image, ns=(1, 1))
    assert audit([train], [test])[0].startswith("same image")


def test_folders_are_compared_by_their_matrix(tmp_path: Path) -> None:
    sections = []
    for name in ("A1", "B1"):
        section = _section(tmp_path, name, name[0])
        folder = tmp_path / f"{name}_outs"
        (folder / "filtered_feature_bc_matrix").mkdir(parents=True)
        (folder / "filtered_feature_bc_matrix/matrix.mtx.gz").write_bytes(b"matrix")
        (folder / "note.txt").write_text(name)
        sections.append(_Section(name, section.patient, section.image, folder))
    assert [f.partition(":")[0] for f in audit(sections[:1], sections[1:])] == ["same counts"]


def test_identical_counts_in_another_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (8, 5)).astype(np.float32)
    genes = pd.DataFrame(index=list("abcde"))

    def measured(matrix: np.ndarray, var: pd.DataFrame) -> anndata.AnnData:
        obs = pd.DataFrame(index=[str(i) for i in range(len(matrix))])
        return anndata.AnnData(sparse.csr_matrix(matrix), obs=obs, var=var)

    order = [4, 2, 0, 1, 3]
    one, moved = measured(counts, genes), measured(counts[::-1][:, order], genes.iloc[order])
    assert fingerprint(one) == fingerprint(moved)
    train, test = _section(tmp_path, "A1", "A"), _section(tmp_path, "B1", "B")
    findings = audit([train], [test], {"A1": one, "B1": moved})
    assert findings == [
        "same counts: sections A1 (training) and B1 (held out) hold identical counts"
    ]
    other = counts.copy()
    other[0, 0] += 1
    assert audit([train], [test], {"A1": one, "B1": measured(other, genes)}) == []


def test_the_same_section_on_both_sides_is_never_allowed(tmp_path: Path) -> None:
    section = _section(tmp_path, "A1", "A")
    findings = audit([section], [section])
    with pytest.raises(CohortError, match=r"section A1 is in training and held out \(and 2 more\)"):
        require_clean(findings, allow_same_patient=True)
