"""Match the barcodes of a count matrix with those of a position file."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.errors import MeasurementError

_SUFFIX = r"-(\d+)$"


def suffixes(barcodes: "pd.Index | list[str]") -> pd.Series:
    """Return the number behind each barcode ("1" of "ACGT-1"), missing where there is none."""
    return pd.Series(list(barcodes), dtype=object).astype(str).str.extract(_SUFFIX, expand=False)


def match_barcodes(
    barcodes: list[str], positions: pd.DataFrame, source: Path, notes: list[str]
) -> tuple[NDArray[np.intp], pd.DataFrame]:
    """Return which counts lie under tissue, and their positions in the same order.

    Parameters
    ----------
    barcodes
        Of the count matrix.
    positions
        As `positions.read_positions` returns them.
    source
        For error messages.
    notes
        Sentences about what is left out are added here.

    Raises
    ------
    MeasurementError
        No barcode has a position, or none of them is under tissue.
    """
    listed = positions
    rows = listed.index.get_indexer(pd.Index(barcodes))
    if (rows < 0).all():
        rows, listed = _without_suffix(barcodes, positions, source, notes)
    found = rows >= 0
    if not found.all():
        notes.append(f"{(~found).sum():,} barcodes have no position and were left out.")
    under = np.zeros(len(barcodes), dtype=bool)
    under[found] = listed["in_tissue"].to_numpy()[rows[found]] == 1
    if not under.any():
        everywhere = "for all" if (listed["in_tissue"] == 0).all() else "for all that have counts"
        raise MeasurementError(
            f"of {found.sum():,} barcodes none is under tissue (in_tissue is 0 {everywhere})",
            path=source,
            remedy="give the positions of this section, with in_tissue 1 where there is tissue",
        )
    off = int((found & ~under).sum())
    if off:
        notes.append(f"{off} barcodes are not under tissue and were left out.")
    empty = int((listed["in_tissue"] == 1).sum() - under.sum())
    if empty:
        notes.append(f"{empty} spots under tissue have no counts.")
    keep = np.flatnonzero(under)
    return keep, listed.iloc[rows[keep]]


def _without_suffix(
    barcodes: list[str], positions: pd.DataFrame, source: Path, notes: list[str]
) -> tuple[NDArray[np.intp], pd.DataFrame]:
    """Match the barcodes without the `-1` that only one of the files has."""
    ours, theirs = suffixes(barcodes), suffixes(positions.index)
    example = f"such as {barcodes[0][:40]} in the counts and {positions.index[0][:40]} in the "
    if ours.isna().all() != theirs.isna().all():
        bare = pd.Index(pd.Series(barcodes).str.replace(_SUFFIX, "", regex=True))
        listed = positions.set_axis(positions.index.str.replace(_SUFFIX, "", regex=True), axis=0)
        rows = listed.index.get_indexer(bare) if listed.index.is_unique else np.full(len(bare), -1)
        if bare.is_unique and (rows >= 0).any():
            notes.append("Barcodes were matched without the suffix that only one file has.")
            return rows, listed
    raise MeasurementError(
        f"counts and positions have no barcode in common ({example}positions)",
        path=source,
        remedy="give files of one section",
    )
