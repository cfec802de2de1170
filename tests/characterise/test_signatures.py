"""Signatures: what ships is named and known, scores by hand, files that are no GMT."""

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData
from scipy import stats

from histospace_core.characterise import Signature, read_gmt, score_signatures
from histospace_core.errors import MeasurementError
from histospace_core.expression.genes import reconcile_genes


def test_shipped_signatures_name_their_source_and_are_human_genes() -> None:
    signatures = read_gmt()
    assert {"Epithelium", "Stroma", "Immune", "Fat"} <= {s.name for s in signatures}
    assert all("doi 10." in s.source for s in signatures)
    genes = [gene for s in signatures for gene in s.genes]
    known = reconcile_genes(genes, "human")
    assert set(known["name"][known["how"] == "unknown"]) <= {"MGC40069"}, "withdrawn since 2016"


def test_a_former_symbol_finds_its_gene() -> None:
    table = AnnData(np.random.default_rng(0).normal(size=(30, 3)))
    table.var_names = ["ADGRL4", "SDPR", "VWF"]
    found = score_signatures(table, [Signature("s", "", ("ELTD1", "CAVIN2", "VWF"))])
    assert found.table["genes_used"][0] == "ADGRL4 SDPR VWF"


def test_a_score_is_the_mean_z_of_its_genes_with_its_error() -> None:
    values = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    values[7] = np.nan
    table = AnnData(values)
    table.var_names = ["A", "B", "C", "D"]
    found = score_signatures(table, [Signature("s", "", ("A", "B", "C", "X"))])
    z = (values - np.nanmean(values, 0)) / np.nanstd(values, 0)
    np.testing.assert_allclose(found.scores[:, 0], z[:, :3].mean(1), rtol=1e-4, atol=1e-6)
    half = stats.t.ppf(0.975, 2) * z[:, :3].std(1, ddof=1) / 3**0.5
    np.testing.assert_allclose(found.half_width[:, 0], half, rtol=1e-4)
    assert np.isnan(found.scores[7, 0])
    row = found.table.iloc[0]
    assert (row["n_genes"], row["n_used"], row["genes_used"]) == (4, 3, "A B C")


def test_unreliable_genes_are_not_used_unless_asked_for() -> None:
    table = AnnData(np.random.default_rng(0).normal(size=(30, 4)))
    table.var_names = ["A", "B", "C", "D"]
    table.var["reliable"] = [True, True, False, True]
    signature = [Signature("s", "", ("A", "B", "C"))]
    found = score_signatures(table, signature)
    assert np.isnan(found.scores).all()
    assert "not scored: 2 of 3" in found.table["note"][0]
    assert np.isfinite(score_signatures(table, signature, reliable_only=False).scores).all()
    half = score_signatures(table, [Signature("s", "", ("A", "B", "D", *"EFGHIJ"))])
    assert half.table["note"][0] == "based on less than half of its genes"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "contains no signature"),
        (b"name only\n", "line 1: expected a name"),
        (b"a\tsource\tG\na\tsource\tH\n", "line 2: two signatures are named 'a'"),
        (b"\xff\xfe\x00", "not a text file"),
    ],
)
def test_what_is_no_gmt_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.gmt").write_bytes(content)
    with pytest.raises(MeasurementError, match=said):
        read_gmt(tmp_path / "x.gmt")
