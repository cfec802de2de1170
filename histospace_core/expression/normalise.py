"""Normalisations of counts; a model package records the name of the one it uses."""

from collections.abc import Callable, Sequence

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import MeasurementError

Transform = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def _cp10k(counts: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return counts per 10,000 of the spot; a spot without counts stays zero."""
    return counts * np.divide(1e4, totals, out=np.zeros_like(totals), where=totals > 0)


# name -> (description; transform of (counts, totals as a column))
NORMALISATIONS: dict[str, tuple[str, Transform]] = {
    "log10_cp10k": (
        "log10(1 + 10,000 x count / total count of the spot), as published for HistoSPACE",
        lambda counts, totals: np.log10(1 + _cp10k(counts, totals)),
    ),
    "log1p_cp10k": (
        "ln(1 + 10,000 x count / total count of the spot), as usual in scanpy",
        lambda counts, totals: np.log1p(_cp10k(counts, totals)),
    ),
    "cp10k": ("10,000 x count / total count of the spot", _cp10k),
    "log1p": (
        "ln(1 + count); keeps the sequencing depth, so correlations are misleading",
        lambda counts, totals: np.log1p(counts),
    ),
    "log10_cp1k_of_section": (
        "log10(1 + 1,000 x count / mean total count of the section's spots); keeps the depth of a "
        "spot, which follows its cell density, and removes the depth of the section",
        lambda counts, totals: np.log10(1 + 1e3 * counts / max(totals.mean(), 1)),
    ),
    "raw": ("counts as measured", lambda counts, totals: counts),
}


def normalise(
    counts: AnnData | sparse.spmatrix | NDArray,
    how: str = "log10_cp10k",
    *,
    genes: Sequence[str] | Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Normalise counts by each spot's library size over all genes, then select genes.

    Parameters
    ----------
    counts
        AnnData with raw counts, or a (n_spots, n_genes) matrix. If an AnnData has
        `obs["total_counts"]`, as `read_measured` writes it, that is the library size, even after
        genes were dropped.
    how
        A name in `NORMALISATIONS`.
    genes
        Names (AnnData) or columns (matrix) to return, in this order; all if None.

    Returns
    -------
    Dense float32, (n_spots, n_genes selected).

    Raises
    ------
    MeasurementError
        The normalisation is unknown, or the data lack one of the genes.
    """
    if how not in NORMALISATIONS:
        raise MeasurementError(
            f"Unknown normalisation {how!r}; choose one of {', '.join(NORMALISATIONS)}."
        )
    matrix = counts.X if isinstance(counts, AnnData) else counts
    totals = library_sizes(counts)  # before genes are dropped
    if genes is not None:
        matrix = matrix[:, _columns(counts, genes)]  # before it becomes dense
    dense = sparse.csr_matrix(matrix).toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    transform = NORMALISATIONS[how][1]
    return transform(dense.astype(np.float64), totals[:, None]).astype(np.float32)


def library_sizes(counts: AnnData | sparse.spmatrix | NDArray) -> NDArray[np.float64]:
    """Return the total count of each spot, (n_spots,); as `read_measured` states it, if it does."""
    if isinstance(counts, AnnData):
        if "total_counts" in counts.obs:
            return counts.obs["total_counts"].to_numpy(dtype=np.float64)
        counts = counts.X
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def _columns(
    counts: AnnData | sparse.spmatrix | NDArray, genes: Sequence[str] | Sequence[int]
) -> NDArray[np.intp]:
    if not isinstance(counts, AnnData):
        return np.asarray(genes, dtype=np.intp)
    columns = counts.var_names.get_indexer(list(genes))
    if (columns < 0).any():
        absent = [str(g) for g, c in zip(genes, columns, strict=True) if c < 0]
        raise MeasurementError(
            f"{len(absent)} of {len(genes)} genes are not in the measurement (e.g. {absent[0]})."
        )
    return columns
