"""The common AnnData form of measured expression, whichever reader filled it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.genes import NO_ID, reconcile_genes, strip_version

WHOLE = 8_000  # genes; a whole transcriptome has over 10,000, the largest panels about 5,000
MANY = 100_000  # values; so many counts of transcripts are never all 1
MANY_SPOTS, MANY_COUNTS = 30, 100  # fewer may be alike by chance
LEVELLED = 0.03  # standard deviation of library sizes over their mean
LARGEST_COUNT = 2**24  # float32 is exact for whole numbers up to this


@dataclass
class RawCounts:
    """Counts as a reader returns them, before any check.

    Attributes
    ----------
    source : the file or folder that was read.
    kind : format, e.g. "legacy-st", "space-ranger", "h5ad".
    counts : (n_spots, n_genes) CSR matrix.
    spots : n_spots spot ids.
    names : n_genes gene names as written in the file (symbols or Ensembl ids).
    gene_ids : n_genes Ensembl ids if the file gives them in addition to the names, else None.
    centres : (n_spots, 2) float64, x right and y down, level-0 pixels.
    notes : sentences about what the reader left out or repaired.
    spot_diameter : diameter of a spot in level-0 pixels, if the file gives it.
    library : (n_spots,) float64, library size of each spot over all genes that were measured, if
        `counts` holds only some of them; None if it is their sum.
    """

    source: Path
    kind: str
    counts: sparse.csr_matrix
    spots: list[str]
    names: list[str]
    centres: NDArray[np.float64]
    gene_ids: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    spot_diameter: float | None = None
    library: NDArray[np.float64] | None = None


def assemble(raw: RawCounts) -> AnnData:
    """Check `raw` and convert it to the AnnData form.

    `X` holds raw counts (CSR float32); `obsm["spatial"]` spot centres (float64, level-0 px);
    `obs["total_counts"]` the library size over ALL genes; `var_names` symbols as the
    file writes them (Ensembl ids become symbols where known); `var["gene"]` the current symbol
    ("" if unknown), `var["gene_id"]` the Ensembl id or "", `var["how"]` how it was found;
    `uns["histospace"]` source, format, notes and the gene report.

    Raises
    ------
    MeasurementError
        Values are not counts, positions are not numbers, or nothing usable is left.
    """
    require_counts(raw.counts, raw.source)
    _require_positions(raw)
    adata = _name_genes(raw)
    sums = np.asarray(adata.X.sum(axis=1), dtype=np.float64).ravel()
    totals = sums if raw.library is None else raw.library
    adata.obs["total_counts"] = totals
    empty = totals == 0
    if not sums.any():
        raise MeasurementError(
            "every spot has a count of zero", path=raw.source, remedy="choose the raw count matrix"
        )
    if empty.any():
        adata.uns["histospace"]["notes"].append(f"{empty.sum()} spots without counts left out.")
        adata = adata[~empty].copy()
    if raw.library is None and _is_levelled(totals[~empty]):
        usual = np.median(totals[~empty])
        adata.uns["histospace"]["notes"].append(
            f"All spots have nearly the same total count (about {usual:,.0f}), so the counts "
            "were normalised and rounded, or thinned to one depth: the noise of the "
            "measurement is unknown, and the noise ceiling does not hold."
        )
    said = any("targeted panel" in note for note in raw.notes)
    if raw.library is None and adata.n_vars < WHOLE and not said:
        adata.uns["histospace"]["notes"].append(
            f"{adata.n_vars:,} genes were measured, as by a targeted panel: library sizes, and so "
            "the scores, are over these genes alone."
        )
    return adata


def _is_levelled(totals: NDArray[np.float64]) -> bool:
    """Return whether library sizes hardly differ; those of real spots differ by tens of percent."""
    if len(totals) < MANY_SPOTS or totals.mean() < MANY_COUNTS:
        return False
    return float(totals.std()) < LEVELLED * float(totals.mean())


def require_counts(counts: sparse.csr_matrix, source: Path) -> None:
    """Refuse a matrix that holds anything but whole numbers >= 0.

    Raises
    ------
    MeasurementError
        A rule is broken; the message names the rule and one offending value.
    """
    if 0 in counts.shape:
        raise MeasurementError(f"the count matrix is empty (shape {counts.shape}).", path=source)
    why = not_counts(counts.data)
    if why:
        raise MeasurementError(
            f"the matrix holds {why} and is not a count matrix",
            path=source,
            remedy="give the raw UMI counts",
        )
    if counts.nnz >= MANY and counts.data.max() == 1:
        raise MeasurementError(
            "no count is above 1, so the matrix says only whether a gene was found",
            path=source,
            remedy="give the raw UMI counts",
        )


def not_counts(values: NDArray[np.float64]) -> str:
    """Return what values other than whole numbers >= 0 there are, with an example; "" if none."""
    for broken, what in (
        (~np.isfinite(values), "missing or infinite values"),
        (values < 0, "negative values"),
        (values != np.floor(values), "fractions, so it looks normalised or log-transformed"),
        (values > LARGEST_COUNT, f"values above {LARGEST_COUNT:,}"),
    ):
        if broken.any():
            return f"{what} (e.g. {values[broken][0]:.10g})"
    return ""


def _require_positions(raw: RawCounts) -> None:
    lost = ~np.isfinite(raw.centres).all(axis=1)
    if lost.any():
        raise MeasurementError(
            f"some spots have no position (missing or infinite pixel coordinates): {lost.sum():,}, "
            f"such as {raw.spots[int(lost.argmax())]}",
            path=raw.source,
            remedy="give their positions, or leave them out",
        )
    repeated = pd.Index(raw.spots).duplicated()
    if repeated.any():
        raise MeasurementError(
            f"spot {raw.spots[int(np.argmax(repeated))]} occurs more than once",
            path=raw.source,
            remedy="give one section at a time, with one row a spot",
        )


def _name_genes(raw: RawCounts) -> AnnData:
    """Name the columns by symbol, sum those that share a name, and report what was done."""
    found = reconcile_genes(raw.names)
    by_id = (found["how"] == "ensembl").to_numpy()
    written = [strip_version(name) for name in raw.names]
    names = np.where(by_id & (found["gene"] != ""), found["gene"], written).astype(object)
    ids = found["gene_id"].to_numpy(dtype=object)
    if raw.gene_ids is not None:
        given = np.array([strip_version(i) for i in raw.gene_ids], dtype=object)
        ids = np.where(given != NO_ID, given, ids)

    labels, first, column = np.unique(names.astype(str), return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))  # keep the order of the file
    order = np.sort(first)
    merge = sparse.csr_matrix(
        (np.ones(len(names)), (np.arange(len(names)), rank[column])),
        shape=(len(names), len(labels)),
    )
    n_duplicates = len(names) - len(labels)
    counts = raw.counts @ merge if n_duplicates else raw.counts
    how = found["how"].to_numpy(dtype=object)[order]
    report = {kind: int((how == kind).sum()) for kind in pd.unique(how)}
    notes = list(raw.notes)
    if n_duplicates:
        notes.append(f"{n_duplicates} columns with a repeated gene name were added to the first.")
    if report.get("unknown"):
        notes.append(f"{report['unknown']} of {len(labels)} gene names are not in the reference.")

    adata = AnnData(
        X=sparse.csr_matrix(counts, dtype=np.float32),
        obs=pd.DataFrame(index=pd.Index([str(s) for s in raw.spots], dtype=object)),
        var=pd.DataFrame(
            {
                "gene": found["gene"].to_numpy(dtype=object)[order],
                "gene_id": ids[order],
                "how": how,
            },
            index=pd.Index(names[order], dtype=object),
        ),
        obsm={"spatial": np.asarray(raw.centres, dtype=np.float64)},
    )
    adata.uns["histospace"] = {
        "source": raw.source.name,
        "format": raw.kind,
        "notes": notes,
        "gene_report": {"n_genes": len(labels), "n_duplicates": n_duplicates, **report},
    }
    if raw.spot_diameter is not None:
        adata.uns["histospace"]["spot_diameter_px"] = float(raw.spot_diameter)
    return adata
