"""Legacy Spatial Transcriptomics: a table of counts and a file of spot positions."""

from pathlib import Path

import numpy as np
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.spot_columns import ARRAY, FLAGS, PIXELS, plain
from histospace_core.expression.spots import are_spots, read_spots, spot_id
from histospace_core.expression.tables import read_table

OF_SPOT = (
    *("total_counts", "n_counts", "ncount_spatial", "ncount_rna", "n_genes", "n_genes_by_counts"),
    *("nfeature_spatial", "nfeature_rna", "percent_mt", "pct_counts_mt", "orig_ident"),
    *("cluster", "clusters", "seurat_clusters", "leiden", "louvain"),
)
NOT_GENES = frozenset(name for names in (*ARRAY, *PIXELS, FLAGS, OF_SPOT) for name in names)
"""Columns of a table of counts that describe the spot."""


def read_legacy(counts: Path, spots: Path) -> RawCounts:
    """Read a table of counts (rows `XxY`, columns genes) and its spot file, packed or not.

    Spots that have counts and are selected are kept. A transposed table (rows genes, columns
    spots) is accepted.

    Raises
    ------
    MeasurementError
        One of the files cannot be read, or no spot is in both.
    """
    rows, columns, matrix, notes = read_counts(counts)
    positions = read_spots(spots)
    selected = positions[positions["selected"] == 1]
    if selected.empty:
        raise MeasurementError(
            f"{len(positions)} of {len(positions)} spots are marked as not selected or not under "
            "tissue, so none is left",
            path=spots,
            remedy="correct the column",
        )
    listed = np.array([spot in positions.index for spot in rows])
    keep = [i for i, spot in enumerate(rows) if spot in selected.index]
    if not keep:
        raise MeasurementError(
            f"the table has no selected spot in common with {spots.name} ({len(rows)} spots with "
            f"counts, {listed.sum()} of them listed there, {len(selected)} selected)",
            path=counts,
            remedy="give the spot file of the same section",
        )
    off, unlisted = listed.sum() - len(keep), (~listed).sum()
    if off:
        notes.append(f"{off} spots with counts are not under tissue and were left out.")
    if unlisted:
        notes.append(f"{unlisted} spots with counts are not in the spot file and were left out.")
    uncounted = len(selected) - len({rows[i] for i in keep})
    if uncounted:
        notes.append(f"{uncounted} spots under tissue have no counts.")
    notes += positions.attrs["notes"]
    kept = [rows[i] for i in keep]
    return RawCounts(
        source=counts,
        kind="legacy-st",
        counts=matrix[keep],
        spots=kept,
        names=columns,
        centres=selected.loc[kept, ["pixel_x", "pixel_y"]].to_numpy(dtype=np.float64),
        notes=notes,
    )


def read_counts(counts: Path) -> tuple[list[str], list[str], sparse.csr_matrix, list[str]]:
    """Read a table of counts without its positions; return spots, genes, CSR matrix and notes.

    Raises
    ------
    MeasurementError
        The file is no table of numbers, or names no spots.
    """
    rows, columns, matrix = read_table(counts)
    notes: list[str] = []
    if are_spots(rows) and are_spots(columns):
        raise MeasurementError(
            f"rows ({rows[0]}, ...) and columns ({columns[0]}, ...) are both named by array "
            "positions, so no column is a gene",
            path=counts,
            remedy="give a table of spots x genes",
        )
    if not are_spots(rows) and are_spots(columns):
        rows, columns, matrix = columns, rows, matrix.T.tocsr()
        notes.append("The table had genes in rows and was transposed.")
    if not are_spots(rows):
        odd = next(row for row in rows if not are_spots([row]))
        raise MeasurementError(
            f"rows are not named by an array position such as 10x14 (e.g. {odd[:40]!r})",
            path=counts,
            remedy="give a legacy ST table of spots x genes",
        )
    columns, matrix = _genes_only(columns, matrix, notes)
    return [spot_id(row) for row in rows], columns, matrix, notes


def _genes_only(
    columns: list[str], matrix: sparse.csr_matrix, notes: list[str]
) -> tuple[list[str], sparse.csr_matrix]:
    genes = [i for i, name in enumerate(columns) if plain(name) not in NOT_GENES]
    if len(genes) == len(columns):
        return columns, matrix
    others = ", ".join(name for name in columns if plain(name) in NOT_GENES)
    notes.append(f"Columns that are not genes were left out: {others}.")
    return [columns[i] for i in genes], matrix[:, genes]
