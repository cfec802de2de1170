"""Read the parts of an `.h5ad`: tables and matrices in the encodings of every anndata version."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import MeasurementError

FLOAT16_EXACT = 2**11
"""Whole numbers up to this are exact in float16."""


def read_frame(file: Any, key: str, source: Path) -> pd.DataFrame:
    """Return `obs` or `var`; those of anndata 0.6 are compound datasets.

    Raises
    ------
    MeasurementError
        The element is empty or is not a table.
    """
    element = file[key]
    frame = _compound(file, element) if isinstance(element, h5py.Dataset) else read_elem(element)
    if not isinstance(frame, pd.DataFrame) or frame.index.empty:
        raise MeasurementError(f"{key} is empty or is not a table.", path=source)
    return frame


def read_array(file: h5py.File, name: str) -> Any:
    """Return `obsm[name]` as array or DataFrame, None if it is not there."""
    obsm = file.get("obsm")
    if isinstance(obsm, h5py.Group) and name in obsm:
        value = read_elem(obsm[name])
        return value.toarray() if sparse.issparse(value) else value
    if isinstance(obsm, h5py.Dataset) and name in (obsm.dtype.names or ()):
        return obsm[name]  # anndata 0.6
    return None


def read_matrix(element: Any) -> sparse.csr_matrix:
    """Return a dense or sparse matrix of numbers, in HDF5 or zarr, as CSR in float64.

    Raises
    ------
    ValueError
        It is not a matrix of numbers.
    """
    if hasattr(element, "dtype"):
        _require_numbers(element)
        values = np.asarray(element[()])
        if values.ndim != 2:
            raise ValueError("the count matrix is neither dense nor sparse")
        # scipy knows no float16
        half = values.dtype == np.float16
        return sparse.csr_matrix(values.astype(np.float32) if half else values).astype(np.float64)
    kind = _text(element.attrs.get("encoding-type", element.attrs.get("h5sparse_format", "")))
    shape = element.attrs.get("shape", element.attrs.get("h5sparse_shape"))
    if kind[:3] not in ("csr", "csc") or shape is None:
        raise ValueError("the count matrix is neither dense nor sparse")
    _require_numbers(element["data"])
    parts = (
        element["data"][()].astype(np.float64),
        element["indices"][()],
        element["indptr"][()],
    )
    build = sparse.csr_matrix if kind[:3] == "csr" else sparse.csc_matrix
    matrix = build(parts, shape=tuple(int(n) for n in shape))
    matrix.check_format(full_check=True)
    csr = sparse.csr_matrix(matrix)
    csr.sum_duplicates()
    return csr


def is_rounded(element: Any, matrix: sparse.csr_matrix) -> bool:
    """Tell whether the values are in float16 and too large for it to be exact."""
    data = element if hasattr(element, "dtype") else element["data"]
    # not >, because a count may have become infinite
    return bool(
        data.dtype == np.float16 and matrix.nnz > 0 and not matrix.data.max() <= FLOAT16_EXACT
    )


def _require_numbers(dataset: Any) -> None:
    if dataset.dtype.kind not in "biuf":
        raise ValueError("the count matrix does not hold numbers")


def _compound(file: h5py.File, dataset: h5py.Dataset) -> pd.DataFrame | None:
    """Return a table of anndata 0.6, whose categories are in `uns`."""
    names = dataset.dtype.names
    if not names:
        return None
    records = dataset[()]
    columns = {name: [_text(v) for v in records[name].tolist()] for name in names}
    frame = pd.DataFrame(columns).set_index(names[0])
    for name in names[1:]:
        categories = file.get(f"uns/{name}_categories")
        if isinstance(categories, h5py.Dataset) and records[name].dtype.kind in "iu":
            values = [_text(v) for v in np.ravel(categories[()]).tolist()]
            frame[name] = pd.Categorical.from_codes(records[name], values)
    return frame


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def whole(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which values may be counts: whole numbers >= 0."""
    return np.isfinite(values) & (values >= 0) & (values == np.floor(values))
