"""Read measured expression from AnnData files (`.h5ad`) of other programs."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import ONLY, Choice, refuse_unused
from histospace_core.expression.flags import NO, YES, read_flags
from histospace_core.expression.genes import ENSEMBL, UNKNOWN, reconcile_genes
from histospace_core.expression.h5ad_counts import find_counts
from histospace_core.expression.h5ad_elements import read_frame
from histospace_core.expression.h5ad_library import library_size
from histospace_core.expression.h5ad_positions import find_positions, spot_diameter
from histospace_core.expression.h5ad_sections import find_section
from histospace_core.expression.hdf5 import open_hdf5
from histospace_core.expression.recognise import refuse_other_hdf5
from histospace_core.expression.spot_columns import FLAGS, plain

ID_COLUMNS = ("gene_id", "gene_ids", "ensembl_id", "ensembl")
SYMBOL_COLUMNS = ("feature_name", "gene_symbols", "gene_symbol", "gene_name", "symbol")


def read_h5ad(path: Path, choice: Choice = ONLY) -> RawCounts:
    """Read spots, raw counts and positions of an `.h5ad`, and nothing else.

    Of the matrices of raw counts, the one with the most genes is taken; positions are in
    `obsm["spatial"]` (full-resolution pixels, x first, as in scanpy). If `obs["in_tissue"]` exists,
    only spots under tissue are kept. Where the file holds several sections, one must be chosen.

    Raises
    ------
    MeasurementError
        The file is hostile, damaged or transposed, has no positions or no raw counts, or holds
        several sections.
    """
    refuse_unused(choice, ("library",), path)
    with open_hdf5(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old but readable encodings
        if "obs" not in file or "var" not in file or "mod" in file:
            refuse_other_hdf5(file, path)
        obs = read_frame(file, "obs", path)
        counts = find_counts(file, obs, path)
        names, ids = gene_names(counts.var)
        _refuse_transposed(obs, names, path)
        notes = counts.notes
        library = library_size(counts, obs, set(file.get("uns", ())), path)
        centres = find_positions(file, obs, notes, path)
        section = find_section(obs, centres, file, choice, path)
        notes += section.notes
        kept = _under_tissue(obs, section.spots, notes, path)
        diameter = spot_diameter(file, section.library, centres[kept], notes, path)
    return RawCounts(
        source=path,
        kind="h5ad",
        counts=counts.matrix[kept],
        spots=obs.index.astype(str)[kept].tolist(),
        names=names,
        gene_ids=ids,
        centres=centres[kept],
        notes=notes,
        spot_diameter=diameter,
        library=None if library is None else library[kept],
    )


def _under_tissue(
    obs: pd.DataFrame, spots: NDArray[np.bool_], notes: list[str], source: Path
) -> NDArray[np.bool_]:
    """Return which of `spots` lie under tissue; all if the file does not say."""
    column = flag_column(obs)
    if column is None:
        return spots
    rows = obs.index.astype(str).tolist()
    under = read_flags(obs[column], column, rows, source) & spots
    off = int(spots.sum() - under.sum())
    if not under.any():
        raise MeasurementError(
            f"{off} of {off} spots have {column} 0, so none is left",
            path=source,
            remedy="correct the column",
        )
    if off:
        notes.append(f"{off} spots are not under tissue and were left out.")
    return under


def flag_column(obs: pd.DataFrame) -> str | None:
    """Return the column that says which spots are under tissue, None if there is none.

    A column such as `tissue` may name an organ, so all but `in_tissue` count only if they hold
    nothing but yes and no.
    """
    columns = {plain(str(c)): str(c) for c in obs.columns}
    for name in ("in_tissue", *FLAGS):
        column = columns.get(name)
        if column is None:
            continue
        words = set(obs[column].astype(str).str.strip().str.lower())
        if name == "in_tissue" or words <= YES | NO:
            return column
    return None


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
