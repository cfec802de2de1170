"""The reference table and how a name is found in it."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression.genes import (
    SPECIES,
    guess_species,
    load_gene_table,
    reconcile_genes,
    strip_version,
)

TABLE = """symbol,ensembl,previous,aliases
NOW,ENSG00000000001,OLD|SHARED,NICK|TWICE
OTHER,ENSG00000000002,,TWICE|NOW|SHARED
THIRD,,,NICK2|OLD
"""


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    for species in SPECIES:
        text = TABLE if species == "human" else TABLE.split("\n")[0] + "\n"
        (tmp_path / f"{species}.csv.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "gene", "how"),
    [
        ("NOW", "NOW", "symbol"),  # also an alias of OTHER: the current symbol wins
        ("OLD", "NOW", "previous"),  # also an alias of THIRD: the previous symbol wins
        ("SHARED", "NOW", "previous"),
        ("NICK", "NOW", "alias"),
        ("NICK2", "THIRD", "alias"),
        ("TWICE", "", "unknown"),  # an alias of two genes is never guessed
        ("ENSG00000000002.7", "OTHER", "ensembl"),
        ("ENSG00000000009", "", "ensembl"),
        (" NOW ", "NOW", "symbol"),
        ("now", "", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_order_of_precedence(reference: Path, name: str, gene: str, how: str) -> None:
    found = reconcile_genes([name], "human", reference).iloc[0]
    assert (found["name"], found["gene"], found["how"]) == (name, gene, how)


def test_known_names_of_breast_cancer() -> None:
    found = reconcile_genes(
        ["ERBB2", "FAM132A", "HER2", "SEPT2", "ENSG00000141736.14", "FO538757.1"]
    )
    assert found["gene"].tolist() == ["ERBB2", "C1QTNF12", "ERBB2", "SEPTIN2", "ERBB2", ""]
    assert found["how"].tolist() == [
        "symbol",
        "previous",
        "alias",
        "previous",
        "ensembl",
        "unknown",
    ]
    assert found["gene_id"][0] == "ENSG00000141736"


def test_shipped_tables_are_whole() -> None:
    for species, prefix in SPECIES.items():
        table = load_gene_table(species)
        assert len(table.ids) > 40_000
        ids = [i for i in table.ids.values() if i]
        assert len(set(ids)) == len(ids)
        assert all(i.startswith(prefix) for i in ids)
        assert not set(table.previous) & set(table.ids)
        assert not set(table.aliases) & set(table.ids)


def test_species_is_told_from_names_and_ids() -> None:
    assert guess_species(["Erbb2", "Krt8", "Gapdh"]) == "mouse"
    assert guess_species(["ERBB2", "Krt8", "GAPDH"]) == "human"
    assert guess_species(["ENSMUSG00000000001"]) == "mouse"
    assert guess_species(["nothing"]) == "human"


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"human\.csv\.gz is missing or damaged"):
        reconcile_genes(["ERBB2"], folder=tmp_path)


def test_versions() -> None:
    assert strip_version("ENSMUSG00000000001.4") == "ENSMUSG00000000001"
    assert strip_version("ENSG00000182378.15_PAR_Y") == "ENSG00000182378"
    assert strip_version("RP11-34P13.7") == "RP11-34P13.7"


@settings(max_examples=100)
@given(st.lists(st.text(max_size=30), max_size=20))
def test_any_names_come_back_in_order(names: list[str]) -> None:
    found = reconcile_genes(names, "human")
    assert found["name"].tolist() == names
    assert (found["gene"].ne("") | found["how"].isin(["unknown", "ensembl"])).all()
