"""Measured genes and a model's panel, whatever each calls its genes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression import map_to_panel, normalise, read_measured
from histospace_core.expression.assemble import RawCounts, assemble


def measured(names: list[str]) -> AnnData:
    counts = np.arange(1, 2 * len(names) + 1).reshape(2, -1)
    spots = ["1x1", "1x2"]
    return assemble(
        RawCounts(
            Path("S.tsv"), "legacy-st", sparse.csr_matrix(counts), spots, names, np.zeros((2, 2))
        )
    )


def test_previous_symbols_meet_on_either_side() -> None:
    adata, match = map_to_panel(measured(["C1QTNF12", "ERBB2", "SEPT2"]), ["SEPTIN2", "FAM132A"])
    assert adata.var_names.tolist() == ["SEPTIN2", "FAM132A"]
    assert adata.var["measured_as"].tolist() == ["SEPT2", "C1QTNF12"]
    assert adata.X.toarray().tolist() == [[3, 1], [6, 4]]
    assert (match.missing, match.n_not_in_panel) == ([], 1)


def test_own_name_first_and_each_measured_gene_once() -> None:
    adata, match = map_to_panel(measured(["FAM132A", "KRT8"]), ["C1QTNF12", "FAM132A"])
    assert adata.var_names.tolist() == ["FAM132A"]
    assert match.missing == ["C1QTNF12"]


def test_unknown_names_meet_by_name() -> None:
    adata, _ = map_to_panel(measured(["FO538757.1", "ERBB2"]), ["FO538757.1"])
    assert adata.var_names.tolist() == ["FO538757.1"]


def test_ids_of_the_panel_are_used() -> None:
    adata, match = map_to_panel(
        measured(["ENSG00000141736.14"]), ["my own name"], ["ENSG00000141736"]
    )
    assert adata.var_names.tolist() == ["my own name"]
    assert match.matched["how"].tolist() == ["gene_id"]
    assert "1 of the model's 1 genes were measured (1 under another name)" in match.message


def test_library_size_stays_that_of_all_genes() -> None:
    whole = measured(["ERBB2", "KRT8", "COL1A1"])
    part, _ = map_to_panel(whole, ["KRT8"])
    assert np.array_equal(normalise(part)[:, 0], normalise(whole, genes=["KRT8"])[:, 0])


def test_no_common_genes_names_both_sides() -> None:
    with pytest.raises(
        MeasurementError, match=r"S\.tsv: no gene.* Erbb2.*expects names such as ERBB2"
    ):
        map_to_panel(measured(["Erbb2", "Krt8"]), ["ERBB2", "KRT8"])


@pytest.mark.parametrize(
    "names",
    [
        ["GRCh38_ERBB2", "GRCh38_KRT8", "mm10___Cd74"],
        ["ERBB2 ENSG00000141736", "KRT8 ENSG00000170421"],
    ],
)
def test_names_of_two_parts_are_not_guessed_at(names: list[str]) -> None:
    with pytest.raises(
        MeasurementError, match=f"such as {names[0]}, .*expects names such as ERBB2"
    ):
        map_to_panel(measured(names), ["ERBB2", "KRT8"])


@pytest.mark.shared
def test_her2st_c5_covers_the_genes_of_b4(shared: Path) -> None:
    folder = shared / "her2st"
    adata = read_measured(folder / "ST-cnts/C5.tsv.gz", folder / "ST-spotfiles/C5_selection.tsv")
    header = pd.read_csv(folder / "ST-cnts/B4.tsv.gz", sep="\t", nrows=0).columns[1:]
    _, match = map_to_panel(adata, list(header))
    assert len(match.matched) > 0.85 * len(header)
    assert match.matched["measured_as"].is_unique
