"""Which matrix of an `.h5ad` holds the counts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import not_counts
from histospace_core.expression.h5ad_elements import (
    FLOAT16_EXACT,
    is_rounded,
    read_frame,
    read_matrix,
    whole,
)
from histospace_core.expression.h5ad_library import sums_of, totals
from histospace_core.expression.spot_columns import plain

# in this order, because X is normalised in most files; raw.X is how anndata 0.6 wrote it
LAYERS = (
    *("counts", "raw_counts", "counts_raw", "raw_count", "rawcounts", "count", "raw"),
    *("umi", "umis", "umi_counts"),
)
"""Plain names of layers that hold raw counts, in the order in which they are looked at."""
SOURCES = (
    ("X", "var", "X"),
    ("raw/X", "raw/var", "raw"),
    ("raw.X", "raw.var", "raw"),
)


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
    named = _layers(file)
    layers = [(f"layers/{named[n]}", "var", f'layers["{named[n]}"]') for n in LAYERS if n in named]
    for key, var_key, where in (*layers, *SOURCES):
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
        raise _no_counts(others, _spare_layers(file), source)
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


def _no_counts(others: list[Counts], spare: list[str], source: Path) -> MeasurementError:
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
        f'neither layers["counts"], X nor raw holds raw counts ({others[0].where} holds '
        f"{not_counts(values)})",
        path=source,
        remedy=f'if layers["{spare[0][:60]}"] is the UMI counts of all, name it counts'
        if spare
        else 'keep the UMI counts in layers["counts"]',
    )


def _layers(file: Any) -> dict[str, str]:
    """Return each layer of counts by its plain name: layers["Raw Counts"] is raw_counts."""
    return {plain(str(name)): str(name) for name in file.get("layers", ())}


def _spare_layers(file: Any) -> list[str]:
    """Return other layers that hold whole numbers, which may or may not be all counts."""
    others = [name for key, name in _layers(file).items() if key not in LAYERS]
    return [name for name in others if whole(read_matrix(file[f"layers/{name}"]).data).all()]


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
        if any(np.array_equal(total, sums_of(c.matrix)) for _, total in totals(obs))
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
