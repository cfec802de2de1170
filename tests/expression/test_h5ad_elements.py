"""Encodings of every anndata version; the numbers are those of anndata's own reader."""

import warnings
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest
from builders.measured import GENES
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured
from histospace_core.expression.h5ad import read_h5ad


def as_anndata_reads(path: Path) -> anndata.AnnData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old encodings
        return anndata.read_h5ad(path)


def replace_x(path: Path, values: np.ndarray) -> None:
    with h5py.File(path, "a") as file:
        attrs = dict(file["X"].attrs) if isinstance(file["X"], h5py.Dataset) else {}
        del file["X"]
        file["X"] = values
        file["X"].attrs.update(attrs)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "u2", "i4", "i8", "u8", "?"])
def test_every_type_of_number(
    write_h5ad: Callable[..., Path], counts: np.ndarray, dtype: str
) -> None:
    path = write_h5ad(X=counts.astype(np.float64))
    replace_x(path, counts.astype(dtype))
    expected = as_anndata_reads(path).X.astype(np.float64)
    assert read_h5ad(path).counts.toarray().tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_sparse_float16(write_h5ad: Callable[..., Path], counts: np.ndarray, kind: str) -> None:
    matrix = getattr(sparse, f"{kind}_matrix")(counts.astype(np.float32))
    path = write_h5ad(X=matrix)
    with h5py.File(path, "a") as file:
        data = file["X/data"][()]
        del file["X/data"]
        file["X/data"] = data.astype(np.float16)
    assert read_h5ad(path).counts.toarray().tolist() == counts.tolist()


@pytest.mark.parametrize("large", [2050, 70_000])
def test_float16_that_rounds_is_refused(
    write_h5ad: Callable[..., Path], counts: np.ndarray, large: int
) -> None:
    path = write_h5ad(X=counts.astype(np.float64))
    counts[0, 0] = large
    with np.errstate(over="ignore"):
        replace_x(path, counts.astype(np.float16))
    with pytest.raises(MeasurementError, match="X is in float16, which rounds counts above 2,048"):
        read_h5ad(path)


def test_integers_that_float32_cannot_hold(
    write_h5ad: Callable[..., Path], counts: np.ndarray
) -> None:
    path = write_h5ad(X=counts.astype(np.float64))
    counts[0, 0] = 2**24 + 1
    replace_x(path, counts.astype(np.int64))
    with pytest.raises(MeasurementError, match="values above 16,777,216"):
        read_measured(path)


@pytest.mark.parametrize("name", ["zstd", "blosc", "lz4", "bshuf", "bzip2"])
def test_compressions_of_hdf5plugin(
    write_h5ad: Callable[..., Path], counts: np.ndarray, name: str
) -> None:
    path = write_h5ad(X=counts.astype(np.float32))
    with h5py.File(path, "a") as file:
        attrs = dict(file["X"].attrs)
        del file["X"]
        filter_ = hdf5plugin.FILTERS[name]
        chunks = {"chunks": (3, 5), "compression": filter_}
        file.create_dataset("X", data=counts.astype("f4"), **chunks).attrs.update(attrs)
        assert filter_ == file["X"].id.get_create_plist().get_filter(0)[0]
    assert read_measured(path).X.toarray().tolist() == counts.tolist()


def test_lzf(write_h5ad: Callable[..., Path], counts: np.ndarray) -> None:
    path = write_h5ad()
    as_anndata_reads(path).write_h5ad(path, compression="lzf")
    assert read_h5ad(path).counts.toarray().tolist() == counts.tolist()


def test_a_compression_that_is_missing_is_named(
    write_h5ad: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_h5ad()

    def fail(*_: object) -> None:
        raise OSError("required filter is not registered")

    monkeypatch.setattr("histospace_core.expression.h5ad.find_counts", fail)
    with h5py.File(path, "a") as file:
        filter_ = hdf5plugin.FILTERS["zstd"]
        file.create_dataset(
            "layers/counts", data=np.ones((6, 5)), chunks=(6, 5), compression=filter_
        )
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: code != filter_)
    with pytest.raises(MeasurementError, match=r"not installed here \(.*32015\); save it again"):
        read_h5ad(path)


@pytest.fixture
def old(tmp_path: Path, counts: np.ndarray) -> Path:
    """A file in the layout of anndata 0.6: compound tables, `raw.X`, categories in `uns`."""
    obs = np.zeros(6, dtype=[("index", "S8"), ("in_tissue", "i8"), ("cluster", "i1")])
    obs["index"], obs["in_tissue"] = [f"s{i}" for i in range(6)], [1, 1, 0, 1, 1, 1]
    obs["cluster"] = [0, 1, 0, 1, 0, 1]
    var = np.zeros(5, dtype=[("index", "S8"), ("n_cells", "i8")])
    var["index"] = GENES
    obsm = np.zeros(6, dtype=[("X_pca", "f4", (2,)), ("spatial", "f8", (2,))])
    obsm["spatial"] = np.arange(12.0).reshape(6, 2)
    csr = sparse.csr_matrix(counts.astype(np.float32))
    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        file["X"] = np.log1p(counts[:, :3]).astype("f4")
        file["obs"], file["var"], file["obsm"] = obs, var[:3], obsm
        file["uns/cluster_categories"] = np.array([b"core", b"rim"])
        group = file.create_group("raw.X")
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = b"csr", csr.shape
        group["data"], group["indices"], group["indptr"] = csr.data, csr.indices, csr.indptr
        file["raw.var"] = var
    return tmp_path / "old.h5ad"


def test_a_file_of_anndata_0_6(old: Path) -> None:
    raw, known = read_h5ad(old), as_anndata_reads(old)
    kept = known.obs["in_tissue"] == 1
    assert raw.names == known.raw.var_names.tolist() == GENES
    assert raw.spots == known.obs_names[kept].tolist()
    assert raw.counts.toarray().tolist() == known.raw.X[kept.to_numpy()].toarray().tolist()
    assert raw.centres.tolist() == known.obsm["spatial"][kept].tolist()


def test_a_categorical_index(write_h5ad: Callable[..., Path], counts: np.ndarray) -> None:
    path = write_h5ad()
    with h5py.File(path, "a") as file:
        key = file["obs"].attrs["_index"]
        names = file["obs"][key][()]
        del file["obs"][key]
        group = file["obs"].create_group(key)
        group.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0"})
        group.attrs["ordered"] = False
        codes = group.create_dataset("codes", data=np.arange(6, dtype="i1"))
        codes.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        text = group.create_dataset("categories", data=names, dtype=h5py.string_dtype())
        text.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    assert read_h5ad(path).spots == [f"spot{i}" for i in range(6)]


def test_what_the_flag_dropped_is_said_first(write_h5ad: Callable[..., Path]) -> None:
    obs = pd.DataFrame({"in_tissue": [0] * 6}, index=[f"s{i}" for i in range(6)])
    with pytest.raises(MeasurementError, match="6 of 6 spots have in_tissue 0"):
        read_h5ad(write_h5ad(obs=obs))
    obs["in_tissue"] = ["yes", "no", "maybe", "yes", "yes", "yes"]
    with pytest.raises(MeasurementError, match="in_tissue of spot s2 is 'maybe'"):
        read_h5ad(write_h5ad(obs=obs))
