"""Read measured expression from AnnData files (`.h5ad`) of other programs."""

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.expression.genes import ENSEMBL, UNKNOWN, reconcile_genes
from histospace_core.expression.hdf5 import open_hdf5
from histospace_core.expression.recognise import refuse_other_hdf5

ID_COLUMNS = ("gene_id", "gene_ids", "ensembl_id", "ensembl")
SYMBOL_COLUMNS = ("feature_name", "gene_symbols", "gene_symbol", "gene_name", "symbol")
# in this order, because X is normalised in most files
SOURCES = (("layers/counts", "var"), ("X", "var"), ("raw/X", "raw/var"))


def read_h5ad(path: Path, choice: Choice = ONLY) -> RawCounts:
    """Read spots, raw counts and positions of an `.h5ad`, and nothing else.

    Counts are searched in `layers["counts"]`, `X` and `raw`; positions in `obsm["spatial"]`
    (full-resolution pixels, x first, as in scanpy). If `obs["in_tissue"]` exists, only spots under
    tissue are kept.

    Raises
    ------
    MeasurementError
        The file is hostile, damaged or transposed, or has no positions or no raw counts.
    """
    with open_hdf5(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old but readable encodings
        if "obs" not in file or "var" not in file or "mod" in file:
            refuse_other_hdf5(file, path)
        obs = _frame(file, "obs", path)
        counts, var = find_counts(file, len(obs), path)
        names, ids = gene_names(var)
        _refuse_transposed(obs, names, path)
        centres = _positions(file, len(obs), path)
        diameter = _spot_diameter(file)
    notes: list[str] = []
    under = np.ones(len(obs), dtype=bool)
    if "in_tissue" in obs:
        # files hold it as number, boolean or category
        under = obs["in_tissue"].astype(str).isin(["1", "1.0", "True"]).to_numpy()
        if not under.all():
            notes.append(f"{(~under).sum()} spots are not under tissue and were left out.")
    return RawCounts(
        source=path,
        kind="h5ad",
        counts=counts[under],
        spots=obs.index.astype(str)[under].tolist(),
        names=names,
        gene_ids=ids,
        centres=centres[under],
        notes=notes,
        spot_diameter=diameter,
    )


def _frame(file: h5py.File, key: str, source: Path) -> pd.DataFrame:
    frame = read_elem(file[key])  # anndata.read_h5ad would load the whole file
    if not isinstance(frame, pd.DataFrame) or frame.index.empty:
        raise MeasurementError(f"{key} is empty or is not a table.", path=source)
    return frame


def find_counts(
    file: h5py.File, n_spots: int, source: Path
) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """Return the first matrix that holds whole numbers >= 0, with the table of its genes."""
    first: sparse.csr_matrix | None = None
    for key, var_key in SOURCES:
        if key not in file or var_key not in file:
            continue
        matrix = _csr(read_elem(file[key]))
        var = _frame(file, var_key, source)
        if matrix.shape != (n_spots, len(var)):
            raise MeasurementError(
                f"{key} is {matrix.shape[0]} x {matrix.shape[1]}, but there are {n_spots} spots "
                f"and {len(var)} genes",
                path=source,
                remedy="export the file again",
            )
        values = matrix.data
        if np.isfinite(values).all() and (values >= 0).all() and (values % 1 == 0).all():
            return matrix, var
        first = matrix if first is None else first
    if first is None:
        raise MeasurementError("the file holds no matrix (X, layers or raw).", path=source)
    values = first.data
    odd = values[~(np.isfinite(values) & (values >= 0) & (values % 1 == 0))][0]
    raise MeasurementError(
        'neither layers["counts"], X nor raw holds raw counts '
        f"(found e.g. {odd:g}, which looks normalised)",
        path=source,
        remedy='keep the UMI counts in layers["counts"]',
    )


def _csr(matrix: Any) -> sparse.csr_matrix:
    if not (sparse.issparse(matrix) or isinstance(matrix, np.ndarray)) or matrix.ndim != 2:
        raise ValueError("the count matrix is neither dense nor sparse")
    csr = sparse.csr_matrix(matrix)
    if csr.dtype.kind not in "biuf":
        raise ValueError("the count matrix does not hold numbers")
    csr.check_format(full_check=True)
    csr.sum_duplicates()
    return csr.astype(np.float64)


def gene_names(var: pd.DataFrame) -> tuple[list[str], list[str] | None]:
    """Return the name of each gene, and its Ensembl id or "" where the table holds ids too."""
    names = var.index.astype(str).tolist()
    columns = {str(c).lower(): c for c in var.columns}
    are_ids = sum(bool(ENSEMBL.match(name)) for name in names) > len(names) / 2
    wanted = SYMBOL_COLUMNS if are_ids else ID_COLUMNS
    column = next((columns[c] for c in wanted if c in columns), None)
    if column is None:
        return names, None
    others = ["" if pd.isna(value) else str(value) for value in var[column]]
    if are_ids:
        return [other or name for other, name in zip(others, names, strict=True)], names
    return names, [other if ENSEMBL.match(other) else "" for other in others]


def _refuse_transposed(obs: pd.DataFrame, names: list[str], source: Path) -> None:
    spots = obs.index.astype(str).tolist()
    as_genes = (reconcile_genes(spots)["how"] != UNKNOWN).mean()
    if as_genes > 0.5 and (reconcile_genes(names)["how"] != UNKNOWN).mean() < 0.05:
        raise MeasurementError(
            f"the table is transposed (genes such as {spots[0]} are in obs)",
            path=source,
            remedy="save adata.T instead",
        )


def _positions(file: h5py.File, n_spots: int, source: Path) -> NDArray[np.float64]:
    if "obsm/spatial" not in file:
        raise MeasurementError(
            'the file has no obsm["spatial"]',
            path=source,
            remedy="store the spot centres there, in full-resolution pixels (x, y)",
        )
    spatial = read_elem(file["obsm/spatial"])
    centres = np.asarray(spatial.toarray() if sparse.issparse(spatial) else spatial)
    if centres.shape != (n_spots, 2) or centres.dtype.kind not in "iuf":
        raise MeasurementError(
            'obsm["spatial"] must hold two numbers (x, y) per spot, but its shape is '
            f"{centres.shape}.",
            path=source,
        )
    return centres.astype(np.float64)


def _spot_diameter(file: h5py.File) -> float | None:
    """Return the diameter in scanpy's `uns["spatial"][library]["scalefactors"]`, if any."""
    libraries = file.get("uns/spatial")
    if not isinstance(libraries, h5py.Group):
        return None
    for library in libraries:
        value = libraries.get(f"{library}/scalefactors/spot_diameter_fullres")
        if isinstance(value, h5py.Dataset) and value.size == 1 and value.dtype.kind in "iuf":
            return float(np.ravel(value[()])[0])
    return None
