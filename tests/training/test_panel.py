"""The panel sees training spots only, and names its genes."""

import anndata
import numpy as np
import pandas as pd
import pytest
from builders.cohorts import make_section
from scipy import sparse

from histospace_core.errors import CohortError
from histospace_core.training import select_panel


def _counts(columns: dict[str, list[int]]) -> anndata.AnnData:
    n = len(next(iter(columns.values())))
    return anndata.AnnData(
        sparse.csr_matrix(np.array(list(columns.values()), np.float32).T),
        obs=pd.DataFrame(index=[f"s{i}" for i in range(n)]),
        var=pd.DataFrame(index=list(columns)),
    )


def test_more_than_half_of_all_training_spots_together() -> None:
    first = _counts({"HALF": [1, 0, 1, 0], "MOST": [1, 1, 1, 0], "ENSG00000000003": [1, 1, 1, 1]})
    second = _counts({"MOST": [0, 1], "ONLYHERE": [1, 1]})
    assert select_panel([first]).genes == ("MOST",)
    assert select_panel([first, second]).genes == ("MOST",)


def test_ids_serve_as_names_where_there_are_no_others() -> None:
    mouse = _counts({"ENSMUSG00000000001.4": [1, 1], "ENSMUSG00000000028.14": [0, 0]})
    assert select_panel([mouse]).genes == ("ENSMUSG00000000001.4",)


def test_no_frequent_gene_is_said() -> None:
    with pytest.raises(CohortError, match="more than half"):
        select_panel([_counts({"A": [0, 0, 1]})])


def test_a_gene_that_was_not_counted_is_zero_and_library_size_is_over_all_genes() -> None:
    panel = select_panel([_counts({"A": [5, 5], "B": [1, 1]})])
    other = _counts({"B": [10], "C": [90]})
    values = panel.expression(other, "log10_cp10k")
    np.testing.assert_allclose(values, [[0, np.log10(1 + 1000)]], rtol=1e-6)


def test_shallow_spots_are_found() -> None:
    section = make_section("A1", "A").measured
    section.X = section.X.copy()
    section.X[3, :10] = 0
    kept = select_panel([section]).deep_spots(section)
    assert not kept[3]
    assert kept.sum() == section.n_obs - 1
