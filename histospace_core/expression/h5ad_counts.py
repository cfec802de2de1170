"""Which matrix of an `.h5ad` holds the counts, and how large the library of each spot is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.h5ad_elements import (
    FLOAT16_EXACT,
    is_rounded,
    read_frame,
    read_matrix,
    whole,
)

# in this order, because X is normalised in most files; raw.X is how anndata 0.6 wrote it
SOURCES = (
    ("layers/counts", "var", 'layers["counts"]'),
    ("layers/raw_counts", "var", 'layers["raw_counts"]'),
    ("X", "var", "X"),
    ("raw/X", "raw/var", "raw"),
    ("raw.X", "raw.var", "raw"),
)
TOTALS = ("total_counts", "n_counts", "ncount_spatial", "ncount_rna", "n_umis", "numi")
HVG_FLAGS = ("highly_variable", "vst.variable", "vst_variable", "variable")
FEW = 6_000  # genes; selections of variable genes are smaller, whole transcriptomes larger


@dataclass
class Counts:
    """One matrix of whole numbers >= 0.

    Attributes
    ----------
    where : how a user knows it, such as `layers["counts"]`.
    matrix : (n_spots, n_genes).
    var : table of its genes.
    notes : sentences about the choice.
    more_genes : most genes that another matrix of the file has.
    rounded : whether it is in float16 with values that are not exact there.
    """

    where: str
    matrix: sparse.csr_matrix
    var: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    more_genes: int = 0
    rounded: bool = False


def find_counts(file: Any, obs: pd.DataFrame, source: Path) -> Counts:
    """Return the raw counts with the most genes of an AnnData in HDF5 or zarr.

    Raises
    ------
    MeasurementError
        There are none, a matrix does not fit its tables, or two disagree.
    """
    found: list[Counts] = []
    others: list[Counts] = []
    for key, var_key, where in SOURCES:
        if key not in file or var_key not in file:
            continue
        counts = Counts(where, read_matrix(file[key]), read_frame(file, var_key, source))
        if counts.matrix.shape != (len(obs), len(counts.var)):
            raise MeasurementError(
                f"{where} is {counts.matrix.shape[0]} x {counts.matrix.shape[1]}, but there are "
                f"{len(obs)} spots and {len(counts.var)} genes",
                path=source,
                remedy="export the file again",
            )
        counts.rounded = is_rounded(file[key], counts.matrix)
        raw = whole(counts.matrix.data).all() and not counts.rounded
        (found if raw else others).append(counts)
    if not found:
        raise _no_counts(others, source)
    best = max(found, key=lambda c: c.matrix.shape[1])  # the first of those with the most genes
    if any(c.matrix.shape[1] < best.matrix.shape[1] for c in found):
        best.notes.append(
            f"Counts are those of {best.where}, which holds the most genes "
            f"({best.matrix.shape[1]:,})."
        )
    for other in found:
        if other is not best and _differ(best, other):
            best = _settle(best, other, obs, source)
    best.more_genes = max(c.matrix.shape[1] for c in (*found, *others))
    return best


def _no_counts(others: list[Counts], source: Path) -> MeasurementError:
    if not others:
        return MeasurementError("the file holds no matrix (X, layers or raw).", path=source)
    values = others[0].matrix.data
    rounded = [c.where for c in others if c.rounded]
    if rounded:
        return MeasurementError(
            f"{rounded[0]} is in float16, which rounds counts above {FLOAT16_EXACT:,}",
            path=source,
            remedy="save the counts as float32 or as integers",
        )
    return MeasurementError(
        'neither layers["counts"], X nor raw holds raw counts '
        f"(found e.g. {values[~whole(values)][0]:g}, which looks normalised)",
        path=source,
        remedy='keep the UMI counts in layers["counts"]',
    )


def _differ(a: Counts, b: Counts) -> bool:
    """Tell whether two matrices have other counts of the same genes."""
    first, second = _numbered(a.var), _numbered(b.var)
    shared = first.intersection(second)
    x = a.matrix[:, first.get_indexer(shared)]
    y = b.matrix[:, second.get_indexer(shared)]
    return bool((x != y).nnz)


def _numbered(var: pd.DataFrame) -> pd.MultiIndex:
    """Return the names of genes with a number, so that a repeated name is unique."""
    names = pd.Series(var.index.astype(str))
    return pd.MultiIndex.from_arrays([names, names.groupby(names).cumcount()])


def _settle(best: Counts, other: Counts, obs: pd.DataFrame, source: Path) -> Counts:
    """Choose between two different matrices of whole numbers, if the file says which is raw."""
    fits = [
        c
        for c in (best, other)
        if any(np.array_equal(total, _sums(c.matrix)) for _, total in _totals(obs))
    ]
    if len(fits) == 1:
        reason = "whose sums are the totals in obs"
        (taken,) = fits
    elif best.where.startswith("layers") and best.matrix.shape[1] >= other.matrix.shape[1]:
        taken, reason = best, "the layer of counts"
    else:
        raise MeasurementError(
            f"{best.where} and {other.where} hold different whole numbers of the same genes, so "
            "the raw counts are not known",
            path=source,
            remedy='keep the UMI counts of all genes in layers["counts"], and no others',
        )
    left = other if taken is best else best
    taken.notes.append(
        f"{left.where} holds other whole numbers; {taken.where}, {reason}, was taken."
    )
    return taken


def library_size(
    counts: Counts, obs: pd.DataFrame, uns: set[str], source: Path
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
    sums = _sums(counts.matrix)
    totals = _totals(obs)
    n_genes = counts.matrix.shape[1]
    larger = [(name, t) for name, t in totals if (t >= sums).all() and (t > sums).any()]
    if larger:
        name, taken = max(larger, key=lambda pair: pair[1].sum())
        counts.notes.append(
            f'{counts.where} holds {n_genes:,} genes, and obs["{name}"] counts more than these: '
            f"it was taken as the library size (median {np.median(taken):,.0f} instead of "
            f"{np.median(sums):,.0f})."
        )
        return taken
    cut = _cut(counts, uns)
    if cut and any((t > sums).mean() > 0.5 for _, t in totals):
        cut += ", and the totals in obs contradict the counts"
    if not cut:
        for name, t in totals:
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


def _cut(counts: Counts, uns: set[str]) -> str:
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


def _totals(obs: pd.DataFrame) -> list[tuple[str, NDArray[np.float64]]]:
    """Return the columns of `obs` that hold whole totals."""
    found = []
    for column in obs.columns:
        if str(column).lower() in TOTALS and pd.api.types.is_numeric_dtype(obs[column]):
            values = obs[column].to_numpy(dtype=np.float64, na_value=np.nan)
            if whole(values).all():
                found.append((str(column), values))
    return found


def _sums(matrix: sparse.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
