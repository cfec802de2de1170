"""Facts of measured expression, as the readers of a comparison return it."""

from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from histospace_core.expression.assemble import WHOLE, RawCounts, assemble
from histospace_core.expression.genes import SPECIES, guess_species, load_gene_table
from histospace_core.expression.legacy import read_counts
from histospace_core.expression.measured import read_measured
from histospace_core.inspection.contents import list_contents
from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.recognise import first_bytes
from histospace_core.inspection.request import Request

FORMATS = {
    "legacy-st": "legacy ST: a table of counts and a spot file",
    "space-ranger": "Visium: output of Space Ranger",
    "h5ad": "AnnData (.h5ad)",
    "spatialdata": "SpatialData store",
    "xenium": "output of Xenium",
}

# what `uns["histospace"]` says that has a line of its own here
_KNOWN = {"source", "format", "notes", "gene_report", "spot_diameter_px"}


def describe_measured(request: Request, found: Inspection) -> None:
    """Read a measurement as a comparison does, and add its facts and its other contents."""
    list_contents(request.path, found)
    if request.spots is None and request.path.is_file() and "text" in first_bytes(request.path):
        _table_alone(request, found)
    measured = read_measured(request.path, request.spots, request.choice)
    add_facts(measured, found)
    _positions(np.asarray(measured.obsm["spatial"]), found)


def add_facts(measured: AnnData, found: Inspection) -> None:
    """Add what is known of spots, genes and depth."""
    said = measured.uns["histospace"]
    found.add("format", FORMATS.get(said["format"], said["format"]), said["format"])
    found.add("spots", f"{measured.n_obs:,}", measured.n_obs)
    report = said["gene_report"]
    how = ", ".join(
        f"{report[kind]:,} {words}"
        for kind, words in (
            ("symbol", "by current symbol"),
            ("previous", "by a previous symbol"),
            ("alias", "by an alias"),
            ("ensembl", "by Ensembl id"),
            ("unknown", "not in the reference"),
        )
        if report.get(kind)
    )
    found.add("genes", f"{measured.n_vars:,} ({how})", measured.n_vars)
    _species(measured, found)
    extent = (
        "whole transcriptome"
        if measured.n_vars >= WHOLE
        else "targeted panel, or a part of the transcriptome"
    )
    found.add("coverage", f"{extent} ({measured.n_vars:,} genes)", extent)
    totals = measured.obs["total_counts"].to_numpy(np.float64)
    median, low, high = np.median(totals), totals.min(), totals.max()
    detected = float(np.median(np.diff(measured.X.indptr)))
    found.add(
        "depth",
        f"median {median:,.0f} counts a spot ({low:,.0f} to {high:,.0f}), "
        f"{measured.X.sum(dtype=np.float64):,.0f} in all; median {detected:,.0f} genes a spot",
        {"median": float(median), "total": float(measured.X.sum(dtype=np.float64))},
    )
    for key in sorted(set(said) - _KNOWN):
        if isinstance(said[key], str | int | float):
            found.add(key.replace("_", " "), str(said[key]), said[key])
    if "library size" not in {fact.name for fact in found.facts}:
        same = np.allclose(totals, np.asarray(measured.X.sum(axis=1)).ravel())
        found.add("library size", "sum over the genes read" if same else "stated in the file")
    if (diameter := said.get("spot_diameter_px")) is not None:
        found.add("spot diameter", f"{diameter:g} level-0 px", diameter)
    found.notes += said["notes"]


def _species(measured: AnnData, found: Inspection) -> None:
    names = measured.var_names.tolist()
    species = guess_species(names)
    ids = load_gene_table(species).ids
    prefix = SPECIES[species]
    known = sum(
        name in ids or gene_id.startswith(prefix)
        for name, gene_id in zip(names, measured.var["gene_id"], strict=True)
    )
    if known == 0:
        found.add("species", "unknown: no gene is in the human or mouse reference", "unknown")
        return
    found.add("species", f"{species} ({known:,} of {len(names):,} names)", species)


def _positions(centres: NDArray[np.float64], found: Inspection) -> None:
    (x0, y0), (x1, y1) = centres.min(axis=0), centres.max(axis=0)
    found.add(
        "positions",
        f"x {x0:,.1f} to {x1:,.1f}, y {y0:,.1f} to {y1:,.1f}; taken as level-0 px",
        {"x": [x0, x1], "y": [y0, y1]},
    )
    if len(centres) > 1:
        # the first neighbour of a point is the point itself
        nearest: Any = cKDTree(centres).query(centres, k=2)[0][:, 1]
        found.add(
            "spot distance", f"{np.median(nearest):,.1f} level-0 px", float(np.median(nearest))
        )


def _table_alone(request: Request, found: Inspection) -> None:
    """Add the facts of a table of counts whose spot file is not given."""
    rows, names, counts, notes = read_counts(request.path)
    nowhere = np.zeros((len(rows), 2))
    raw = RawCounts(request.path, "legacy-st", counts, rows, names, nowhere, notes=notes)
    add_facts(assemble(raw), found)
