"""Which counts of an `.h5ad` are taken, and the library size of a spot."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from histospace_core.errors import MeasurementError
from histospace_core.expression import normalise, read_measured
from histospace_core.expression.h5ad import read_h5ad

N_SPOTS, N_GENES, KEPT = 8, 60, 20


@pytest.fixture
def whole() -> AnnData:
    """Counts of all genes."""
    counts = np.random.default_rng(3).poisson(3, (N_SPOTS, N_GENES)) + 1
    adata = AnnData(
        counts.astype(np.float32),
        obs=pd.DataFrame(index=[f"s{i}" for i in range(N_SPOTS)]),
        var=pd.DataFrame(index=[f"G{i}" for i in range(N_GENES)]),
    )
    adata.obsm["spatial"] = np.arange(2.0 * N_SPOTS).reshape(-1, 2)
    return adata


def totals(adata: AnnData) -> np.ndarray:
    return np.asarray(adata.X.sum(axis=1)).ravel()


def cut(whole: AnnData) -> AnnData:
    part = whole[:, ::3].copy()
    part.var["highly_variable"] = True
    return part


def write(adata: AnnData, folder: Path) -> Path:
    adata.write_h5ad(folder / "s.h5ad")
    return folder / "s.h5ad"


@pytest.mark.parametrize("where", ["X", "layer"])
def test_all_genes_in_raw_are_taken(tmp_path: Path, whole: AnnData, where: str) -> None:
    part = cut(whole)
    part.raw = whole
    if where == "layer":
        part.layers["counts"] = part.X.copy()
        part.X = np.log1p(part.X)
    path = write(part, tmp_path)
    raw = read_h5ad(path)
    assert raw.counts.toarray().tolist() == anndata.read_h5ad(path).raw.X.tolist()
    assert raw.names == whole.var_names.tolist()
    assert raw.notes == ["Counts are those of raw, which holds the most genes (60)."]
    assert np.array_equal(read_measured(path).obs["total_counts"], totals(whole))


@pytest.mark.parametrize("column", ["total_counts", "n_counts", "nCount_Spatial"])
def test_totals_of_obs_are_the_library_size(tmp_path: Path, whole: AnnData, column: str) -> None:
    part = cut(whole)
    part.obs[column] = totals(whole)
    path = write(part, tmp_path)
    read = read_measured(path)
    assert read.X.toarray().tolist() == part.X.tolist()
    assert np.array_equal(read.obs["total_counts"], totals(whole))
    assert f'obs["{column}"] counts more' in read.uns["histospace"]["notes"][0]
    # as if no gene had ever been left out
    full = normalise(whole, genes=part.var_names.tolist())
    assert np.array_equal(normalise(read, genes=part.var_names.tolist()), full)
    # our own form, written and read again, keeps the library size
    read.write_h5ad(tmp_path / "again.h5ad")
    assert np.array_equal(read_measured(tmp_path / "again.h5ad").obs["total_counts"], totals(whole))


def test_the_larger_of_two_totals(tmp_path: Path, whole: AnnData) -> None:
    """scanpy counts again after the cut; the column from before it is the library size."""
    part = cut(whole)
    part.obs["n_counts"], part.obs["total_counts"] = totals(whole), totals(part)
    assert np.array_equal(read_h5ad(write(part, tmp_path)).library, totals(whole))


def test_library_follows_the_spots_that_are_kept(tmp_path: Path, whole: AnnData) -> None:
    part = cut(whole)
    part.obs["total_counts"] = totals(whole)
    part.obs["in_tissue"] = [1, 0, 1, 1, 1, 0, 1, 1]
    keep = part.obs["in_tissue"] == 1
    assert np.array_equal(read_h5ad(write(part, tmp_path)).library, totals(whole)[keep])


@pytest.mark.parametrize("proof", ["flag", "hvg", "raw is normalised"])
@pytest.mark.parametrize("column", ["none", "of the cut", "of something else"])
def test_a_cut_without_totals_is_refused(
    tmp_path: Path, whole: AnnData, proof: str, column: str
) -> None:
    part = whole[:, ::3].copy()
    if proof == "flag":
        part.var["highly_variable"] = True
    elif proof == "hvg":
        part.uns["hvg"] = {"flavor": "seurat"}
    else:
        normal = whole.copy()
        normal.X = np.log1p(normal.X)
        part.raw = normal
    if column == "of the cut":
        part.obs["total_counts"] = totals(part)
    elif column == "of something else":
        part.obs["total_counts"] = totals(part) + np.where(np.arange(N_SPOTS) % 2, 9, -9)
    with pytest.raises(MeasurementError, match=r"counts of 20 genes only .* not known; keep the"):
        read_h5ad(write(part, tmp_path))


def test_variable_genes_that_were_only_marked(tmp_path: Path, whole: AnnData) -> None:
    whole.var["highly_variable"] = np.arange(N_GENES) % 3 == 0
    whole.uns["hvg"] = {"flavor": "seurat"}
    assert read_h5ad(write(whole, tmp_path)).library is None


def test_totals_that_contradict_are_said(tmp_path: Path, whole: AnnData) -> None:
    whole.obs["n_counts"] = totals(whole) + np.where(np.arange(N_SPOTS) % 2, 9, -9)
    raw = read_h5ad(write(whole, tmp_path))
    assert raw.library is None
    assert 'obs["n_counts"] is above the sum' in raw.notes[0]


def test_a_targeted_panel_says_so(tmp_path: Path, whole: AnnData) -> None:
    notes = read_measured(write(whole, tmp_path)).uns["histospace"]["notes"]
    assert notes[-1].startswith("60 genes were measured, as by a targeted panel")


def test_two_matrices_that_differ(tmp_path: Path, whole: AnnData) -> None:
    other = whole.copy()
    other.X = np.minimum(whole.X, 3)
    other.layers["counts"] = whole.X.copy()
    raw = read_h5ad(write(other, tmp_path))
    assert raw.counts.toarray().tolist() == whole.X.tolist()
    assert raw.notes == [
        'X holds other whole numbers; layers["counts"], the layer of counts, was taken.'
    ]
    del other.layers["counts"]
    other.raw = whole
    with pytest.raises(MeasurementError, match="X and raw hold different whole numbers"):
        read_h5ad(write(other, tmp_path))
    other.obs["total_counts"] = totals(whole)
    raw = read_h5ad(write(other, tmp_path))
    assert raw.counts.toarray().tolist() == whole.X.tolist()
    assert "raw, whose sums are the totals in obs, was taken" in raw.notes[0]


@pytest.mark.parametrize("name", ["Counts", "raw_count", "Raw Counts", "umi", "raw"])
def test_layers_of_counts_by_other_names(tmp_path: Path, whole: AnnData, name: str) -> None:
    counts = whole.X.copy()
    whole.layers[name] = counts
    whole.X = np.log1p(counts)
    assert read_h5ad(write(whole, tmp_path)).counts.toarray().tolist() == counts.tolist()


def test_a_layer_that_may_be_a_part_is_named_and_not_read(tmp_path: Path, whole: AnnData) -> None:
    whole.layers["spliced"] = whole.X.copy()
    whole.X = np.log1p(whole.X)
    with pytest.raises(MeasurementError, match=r'if layers\["spliced"\] is the UMI counts of all'):
        read_h5ad(write(whole, tmp_path))


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "missing or infinite values"), (-1, "negative values"), (1.001, r"e.g. 1.001")],
)
def test_why_values_are_no_counts(
    tmp_path: Path, whole: AnnData, value: float, message: str
) -> None:
    whole.X[0, 0] = value
    with pytest.raises(MeasurementError, match=rf"X holds .*{message}"):
        read_h5ad(write(whole, tmp_path))
