"""How large the library of each spot of an `.h5ad` is, over all genes."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.h5ad_elements import whole
from histospace_core.expression.spot_columns import plain

if TYPE_CHECKING:  # it chooses the counts by the totals that are found here
    from histospace_core.expression.h5ad_counts import Counts

TOTALS = (
    *("total_counts", "n_counts", "ncount_spatial", "ncount_rna", "ncount_visium"),
    *("n_umis", "n_umi", "numi", "umis", "umi_count", "total_umi", "total_umis", "sum_umi", "sum"),
)
CORRECTED = "ncount_sct"  # of Seurat: the total of counts that SCTransform has corrected
DETECTED = (
    "n_genes_by_counts",
    "nfeature_spatial",
    "nfeature_rna",
    "n_genes",
    "sum_gene",
    "detected",
)
MOST_LOST = 0.1  # share of the genes of a spot that a filter of rare genes may take away
HVG_FLAGS = ("highly_variable", "vst.variable", "vst_variable", "variable")
FEW = 6_000  # genes; selections of variable genes are smaller, whole transcriptomes larger


def library_size(
    counts: "Counts", obs: pd.DataFrame, uns: set[str], source: Path
) -> NDArray[np.float64] | None:
    """Return the library size of each spot over all genes, None if it is the sum of its counts.

    Counts may have been cut to variable genes. Then totals in `obs` are the library size, if they
    are whole numbers that are nowhere below the sums. What is taken is said in `counts.notes`.

    Parameters
    ----------
    counts
        As `find_counts` returned it; notes are added.
    obs
        Table of the spots.
    uns
        Names in `uns`: scanpy leaves "hvg" there.
    source
        The file, for error messages.

    Raises
    ------
    MeasurementError
        The counts were cut, and nothing says how large the libraries are.
    """
    sums = sums_of(counts.matrix)
    _refuse_corrected(counts, sums, obs, source)
    stated = totals(obs)
    n_genes = counts.matrix.shape[1]
    larger = [(name, t) for name, t in stated if (t >= sums).all() and (t > sums).any()]
    if larger:
        name, taken = max(larger, key=lambda pair: pair[1].sum())
        counts.notes.append(
            f'{counts.where} holds {n_genes:,} genes, and obs["{name}"] counts more than these: '
            f"it was taken as the library size (median {np.median(taken):,.0f} instead of "
            f"{np.median(sums):,.0f})."
        )
        return taken
    cut = _cut(counts, uns) or _lost_genes(counts, obs)
    if cut and any((t > sums).mean() > 0.5 for _, t in stated):
        cut += ", and the totals in obs contradict the counts"
    if not cut:
        for name, t in stated:
            if (t > sums).any():
                counts.notes.append(
                    f'obs["{name}"] is above the sum of the counts in some spots and below it in '
                    "others, and was not used."
                )
        if counts.more_genes > n_genes:
            counts.notes.append(
                f"Another matrix names {counts.more_genes:,} genes, but the counts are of "
                f"{n_genes:,}: library sizes are over these."
            )
        return None
    raise MeasurementError(
        f"{counts.where} holds counts of {n_genes:,} genes only ({cut}), so the library sizes "
        "over all genes are not known",
        path=source,
        remedy='keep the counts of all genes in raw, or their sums in obs["total_counts"]',
    )


def _cut(counts: "Counts", uns: set[str]) -> str:
    """Return what proves that genes were left out of the counts, "" if nothing does."""
    n_genes = counts.matrix.shape[1]
    columns = {str(c).lower(): c for c in counts.var.columns}
    flags = [columns[c] for c in HVG_FLAGS if c in columns]
    if any((counts.var[c].astype(str).str.lower() == "true").all() for c in flags):
        return "all of them variable genes"
    if not flags and "hvg" in uns and n_genes < FEW:
        return "left after a selection of variable genes"
    if counts.more_genes > 2 * n_genes:
        return f"another matrix of the file has {counts.more_genes:,}"
    return ""


def _lost_genes(counts: "Counts", obs: pd.DataFrame) -> str:
    """Return what the numbers of genes in `obs` prove to be left out, "" if nothing."""
    here = np.diff(counts.matrix.indptr)
    for column in obs.columns:
        if plain(str(column)) in DETECTED and pd.api.types.is_numeric_dtype(obs[column]):
            stated = obs[column].to_numpy(dtype=np.float64, na_value=np.nan)
            if np.isfinite(stated).all() and np.median(here) < (1 - MOST_LOST) * np.median(stated):
                return (
                    f"half of the spots have over {np.median(stated):,.0f} genes by "
                    f'obs["{column}"], and {np.median(here):,.0f} here'
                )
    return ""


def _refuse_corrected(
    counts: "Counts", sums: NDArray[np.float64], obs: pd.DataFrame, source: Path
) -> None:
    """Refuse counts that SCTransform has corrected: they are whole numbers, but not raw."""
    columns = {plain(str(c)): c for c in obs.columns}
    column = columns.get(CORRECTED)
    if column is None or not pd.api.types.is_numeric_dtype(obs[column]):
        return
    raw = any(np.array_equal(total, sums) for _, total in totals(obs))
    if np.array_equal(obs[column].to_numpy(np.float64), sums) and not raw:
        raise MeasurementError(
            f'{counts.where} holds the counts that SCTransform corrected (their sums are obs["'
            f'{column}"]), not the raw ones',
            path=source,
            remedy='keep the UMI counts of the assay Spatial in layers["counts"]',
        )


def totals(obs: pd.DataFrame) -> list[tuple[str, NDArray[np.float64]]]:
    """Return the columns of `obs` that hold whole totals."""
    found = []
    for column in obs.columns:
        if plain(str(column)) in TOTALS and pd.api.types.is_numeric_dtype(obs[column]):
            values = obs[column].to_numpy(dtype=np.float64, na_value=np.nan)
            if whole(values).all():
                found.append((str(column), values))
    return found


def sums_of(matrix: sparse.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
