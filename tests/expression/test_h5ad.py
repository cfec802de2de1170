"""h5ad files of others: where counts, names and positions may be."""

from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from builders.measured import GENES, IDS
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured
from histospace_core.expression.h5ad import read_h5ad


def test_sparse_dense_and_csc_agree(write_h5ad: Callable[..., Path], counts: np.ndarray) -> None:
    for X in (counts, counts.astype(float), sparse.csc_matrix(counts), sparse.csr_matrix(counts)):
        assert read_h5ad(write_h5ad(X=X)).counts.toarray().tolist() == counts.tolist()


def test_layer_before_x(write_h5ad: Callable[..., Path], counts: np.ndarray) -> None:
    path = write_h5ad(X=np.log1p(counts), layers={"counts": counts})
    assert read_h5ad(path).counts.toarray().tolist() == counts.tolist()


def test_raw_where_x_is_normalised(tmp_path: Path, counts: np.ndarray) -> None:
    adata = AnnData(counts.astype(float), var=pd.DataFrame(index=GENES))
    adata.obsm["spatial"] = np.ones((6, 2))
    adata.raw = adata
    adata = adata[:, :2].copy()
    adata.X = np.log1p(adata.X)
    adata.write_h5ad(tmp_path / "raw.h5ad")
    raw = read_h5ad(tmp_path / "raw.h5ad")
    assert raw.names == GENES
    assert raw.counts.toarray().tolist() == counts.tolist()


def test_ids_as_index_with_symbols_beside(write_h5ad: Callable[..., Path]) -> None:
    adata = read_measured(write_h5ad(var=pd.DataFrame({"feature_name": GENES}, index=IDS)))
    assert adata.var_names.tolist() == GENES
    assert adata.var["gene_id"].tolist() == IDS


def test_only_spots_under_tissue(write_h5ad: Callable[..., Path]) -> None:
    obs = pd.DataFrame({"in_tissue": [1, 0, 1, 1, 0, 1]}, index=[f"s{i}" for i in range(6)])
    raw = read_h5ad(write_h5ad(obs=obs))
    assert raw.spots == ["s0", "s2", "s3", "s5"]
    assert raw.centres[1].tolist() == [4, 5]


def test_in_tissue_as_category_of_truth_values(write_h5ad: Callable[..., Path]) -> None:
    values = pd.Categorical([True, False, True, True, False, True])
    obs = pd.DataFrame({"in_tissue": values}, index=[f"s{i}" for i in range(6)])
    assert len(read_h5ad(write_h5ad(obs=obs)).spots) == 4


def test_spot_diameter_where_scanpy_keeps_it(write_h5ad: Callable[..., Path]) -> None:
    uns = {"spatial": {"V1": {"scalefactors": {"spot_diameter_fullres": 89.5}}}}
    assert read_h5ad(write_h5ad(uns=uns)).spot_diameter == 89.5


def test_nothing_but_what_is_needed_is_read(write_h5ad: Callable[..., Path]) -> None:
    path = write_h5ad(uns={"note": "kept out"})
    with h5py.File(path, "a") as file:
        file["uns/odd"] = np.zeros(3, dtype=[("a", "i4")])
        file["uns/odd"].attrs["encoding-type"] = "no such encoding"
    assert len(read_h5ad(path).spots) == 6


def test_no_positions(write_h5ad: Callable[..., Path]) -> None:
    with pytest.raises(MeasurementError, match=r'S\.h5ad: the file has no obsm\["spatial"\]'):
        read_h5ad(write_h5ad(obsm=None))


def test_positions_of_four_numbers(write_h5ad: Callable[..., Path]) -> None:
    with pytest.raises(MeasurementError, match=r"two numbers \(x, y\) per spot"):
        read_h5ad(write_h5ad(obsm={"spatial": np.ones((6, 4))}))


def test_no_matrix(write_h5ad: Callable[..., Path]) -> None:
    with pytest.raises(MeasurementError, match="holds no matrix"):
        read_h5ad(write_h5ad(X=None))


def test_transposed_is_said(tmp_path: Path, counts: np.ndarray) -> None:
    adata = AnnData(counts.T.astype(float), obs=pd.DataFrame(index=GENES))
    adata.write_h5ad(tmp_path / "side.h5ad")
    with pytest.raises(MeasurementError, match=r"side\.h5ad: the table is transposed"):
        read_h5ad(tmp_path / "side.h5ad")


def test_matrix_that_does_not_fit(write_h5ad: Callable[..., Path]) -> None:
    path = write_h5ad(X=np.ones((6, 5)))
    with h5py.File(path, "a") as file:
        attrs = dict(file["X"].attrs)
        del file["X"]
        file["X"] = np.ones((6, 4))
        file["X"].attrs.update(attrs)
    with pytest.raises(MeasurementError, match="X is 6 x 4, but there are 6 spots and 5 genes"):
        read_h5ad(path)


def test_hdf5_that_is_no_anndata(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["values"] = [1, 2]
    with pytest.raises(MeasurementError, match="not an AnnData file"):
        read_h5ad(tmp_path / "other.h5ad")


def test_files_of_this_anndata_version(write_h5ad: Callable[..., Path]) -> None:
    """The reader goes element by element; anndata's own reader must see the same."""
    path = write_h5ad()
    assert anndata.read_h5ad(path).obs_names.tolist() == read_h5ad(path).spots


@pytest.mark.parametrize(
    ("name", "values", "left"),
    [
        ("In_Tissue", [1, 0, 1, 1, 1, 1], 5),
        ("tissue", ["True", "False", "True", "True", "True", "True"], 5),
        ("tissue", ["breast"] * 6, 6),
    ],
)
def test_flags_of_other_names(
    tmp_path: Path, counts: np.ndarray, name: str, values: list, left: int
) -> None:
    adata = AnnData(counts.astype(float), var=pd.DataFrame(index=GENES))
    adata.obsm["spatial"] = np.arange(12.0).reshape(6, 2)
    adata.obs[name] = values
    adata.write_h5ad(tmp_path / "t.h5ad")
    assert len(read_h5ad(tmp_path / "t.h5ad").spots) == left
