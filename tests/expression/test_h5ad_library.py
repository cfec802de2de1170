"""The library size of a spot where an `.h5ad` says that its counts are not all, or not raw."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from histospace_core.errors import MeasurementError
from histospace_core.expression.h5ad import read_h5ad

COUNTS = np.random.default_rng(0).poisson(3, (8, 60)) + 1
TOTAL = COUNTS.sum(1)


def write(folder: Path, counts: np.ndarray, **obs: np.ndarray) -> Path:
    genes = [f"G{i}" for i in range(counts.shape[1])]
    adata = AnnData(
        counts.astype(np.float32),
        obs=pd.DataFrame(obs, index=[f"s{i}" for i in range(8)]),
        var=pd.DataFrame(index=genes),
    )
    adata.obsm["spatial"] = np.arange(16.0).reshape(8, 2)
    adata.write_h5ad(folder / "s.h5ad")
    return folder / "s.h5ad"


@pytest.mark.parametrize("name", ["nCount_Spatial", "sum_umi", "sum", "total_umis", "nUMI"])
def test_totals_of_other_programs(tmp_path: Path, name: str) -> None:
    raw = read_h5ad(write(tmp_path, COUNTS[:, :20], **{name: TOTAL}))
    assert raw.library is not None
    assert raw.library.tolist() == TOTAL.tolist()


@pytest.mark.parametrize("name", ["n_genes_by_counts", "nFeature_Spatial", "detected"])
def test_more_genes_than_there_are_prove_a_cut(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, COUNTS[:, :20], **{name: np.full(8, 60)})
    with pytest.raises(MeasurementError, match=rf"60 genes by obs\[.{name}.\], and 20 here"):
        read_h5ad(path)
    assert read_h5ad(write(tmp_path, COUNTS, **{name: np.full(8, 62)})).library is None


def test_counts_that_sctransform_corrected_are_not_raw(tmp_path: Path) -> None:
    path = write(tmp_path, COUNTS, nCount_SCT=TOTAL, nCount_Spatial=TOTAL * 2)
    with pytest.raises(MeasurementError, match="that SCTransform corrected"):
        read_h5ad(path)
    path = write(tmp_path, COUNTS, nCount_SCT=TOTAL, nCount_Spatial=TOTAL)
    assert read_h5ad(path).library is None
