"""Normalisations against their formulas."""

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression import NORMALISATIONS, normalise

COUNTS = np.array([[1, 3, 0], [0, 0, 0], [10, 0, 30]])


def test_published_formula() -> None:
    expected = np.log10(1 + 1e4 * COUNTS[2] / 40)
    assert normalise(COUNTS)[2] == pytest.approx(expected)


def test_natural_logarithm() -> None:
    assert normalise(COUNTS, "log1p_cp10k")[0] == pytest.approx(np.log1p([2500, 7500, 0]))


def test_others_are_what_they_say() -> None:
    assert normalise(COUNTS, "raw").tolist() == COUNTS.tolist()
    assert normalise(COUNTS, "cp10k")[0].tolist() == [2500, 7500, 0]
    assert normalise(COUNTS, "log1p")[2] == pytest.approx(np.log1p(COUNTS[2]))


def test_the_depth_of_a_section_goes_and_that_of_a_spot_stays() -> None:
    shallow = normalise(COUNTS, "log10_cp1k_of_section")
    assert shallow[2] == pytest.approx(np.log10(1 + 1e3 * COUNTS[2] / (44 / 3)))
    assert np.array_equal(shallow, normalise(COUNTS * 7, "log10_cp1k_of_section"))


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_sparse_dense_anndata_agree_and_empty_spots_are_zero(how: str) -> None:
    dense = normalise(COUNTS, how)
    assert dense.dtype == np.float32
    assert not dense[1].any()
    assert np.array_equal(dense, normalise(sparse.csr_matrix(COUNTS), how))
    assert np.array_equal(dense, normalise(AnnData(sparse.csr_matrix(COUNTS * 1.0)), how))


def test_selection_comes_after_the_library_size() -> None:
    adata = AnnData(sparse.csr_matrix(COUNTS * 1.0))
    adata.var_names = ["A", "B", "C"]
    assert np.array_equal(normalise(adata, genes=["C", "A"]), normalise(COUNTS)[:, [2, 0]])
    assert np.array_equal(normalise(COUNTS, genes=[2, 0]), normalise(COUNTS)[:, [2, 0]])


def test_absent_gene_is_named() -> None:
    adata = AnnData(sparse.csr_matrix(COUNTS * 1.0))
    with pytest.raises(MeasurementError, match=r"1 of 2 genes are not .* \(e\.g\. NONE\)"):
        normalise(adata, genes=["0", "NONE"])


def test_unknown_normalisation_lists_the_known() -> None:
    with pytest.raises(MeasurementError, match="choose one of log10_cp10k"):
        normalise(COUNTS, "magic")
