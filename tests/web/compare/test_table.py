"""The table of a comparison: filters, reasons, ceilings."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from histospace_core.comparison.compare import Comparison
from histospace_core.comparison.gene_table import COLUMNS, CONSTANT, NOT_MEASURED
from histospace_core.comparison.given_depth import COLUMNS as GIVEN_DEPTH
from histospace_core.web.compare.table import (
    ALL,
    BEATS,
    KINDS,
    SCORED,
    SIGNIFICANT,
    UNSCORED,
    filtered,
    gene_table,
    reasons,
)

GENES = ["ERBB2", "KRT8", "KRT18", "CD74", "ACTB"]
RELIABLE = pd.Series([True, True, False, True, False], GENES)


@pytest.fixture
def table():
    genes = pd.DataFrame(dict.fromkeys(COLUMNS, np.nan), range(5)).assign(
        gene=GENES,
        pearson=[0.5, 0.2, -0.1, np.nan, np.nan],
        mse_ratio_to_mean=[0.8, 1.1, 0.9, np.nan, np.nan],
        q_value=[0.01, 0.2, np.nan, np.nan, np.nan],
        note=["", np.nan, "", CONSTANT, NOT_MEASURED],
    )
    var = pd.DataFrame({"noise_ceiling": [0.9, 0.8, 0.7, 0.6]}, GENES[:4])
    return gene_table(Comparison(Path("x"), genes, {}, anndata.AnnData(var=var)), RELIABLE)


@pytest.mark.parametrize(
    ("kind", "genes"),
    [
        (ALL, GENES),
        (SCORED, ["ERBB2", "KRT8", "KRT18"]),
        (BEATS, ["ERBB2", "KRT18"]),
        (SIGNIFICANT, ["ERBB2"]),
        (UNSCORED, ["CD74", "ACTB"]),
    ],
)
def test_genes_are_filtered_by_kind(table, kind, genes):
    assert list(filtered(table, kind)["gene"]) == genes


def test_filters_by_name_and_reliability_go_together(table):
    assert list(filtered(table, ALL, "krt, actb")["gene"]) == ["KRT8", "KRT18", "ACTB"]
    assert list(filtered(table, ALL, "krt", reliable_only=True)["gene"]) == ["KRT8"]
    assert filtered(table, ALL, "(?").empty, "words are no patterns"
    assert set(KINDS) >= {ALL, SCORED, BEATS, SIGNIFICANT, UNSCORED}


def test_why_genes_have_no_score_is_said_once(table):
    said = reasons(table)
    assert said.startswith("2 genes cannot be scored:")
    assert "1 constant in the measurement" in said
    assert "1 not measured" in said
    assert reasons(table[:3]) == ""


def test_what_has_no_score_has_no_ceiling_beside_it(table):
    assert list(table["noise_ceiling"].notna()) == [True, True, True, False, False]
    old = Comparison(Path("x"), table[list(COLUMNS)], {}, anndata.AnnData(np.zeros((1, 1))))
    assert gene_table(old, RELIABLE)["noise_ceiling"].isna().all(), "made before there was one"


def test_both_ends_and_the_r_that_they_limit_stand_beside_the_score(table):
    assert "pearson_given_depth" not in table, "made before there were two ends"
    var = pd.DataFrame({c: [0.4, 0.3, 0.2, 0.1] for c in GIVEN_DEPTH}, GENES[:4])
    new = Comparison(Path("x"), table[list(COLUMNS)], {}, anndata.AnnData(var=var))
    assert list(gene_table(new, RELIABLE)["noise_ceiling_low"][:3]) == [0.4, 0.3, 0.2]
