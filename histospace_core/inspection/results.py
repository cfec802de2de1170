"""Facts of what HistoSPACE itself writes: runs, model packages, comparisons and other results."""

import json
from pathlib import Path
from typing import Any

from histospace_core.comparison.compare import open_comparison
from histospace_core.errors import StoreError
from histospace_core.inference import open_prediction
from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.request import Request
from histospace_core.networks import load_package


def describe_run(request: Request, found: Inspection) -> None:
    """Add the facts of a prediction's folder."""
    prediction = open_prediction(request.path)
    record = prediction.record
    slide = record.slide
    found.add("slide", f"{slide.name}, {slide.width:,} x {slide.height:,} px", slide.name)
    found.add("pixel size", f"{slide.mpp:.6g} um/px, from the {slide.mpp_source}", slide.mpp)
    found.add("model", record.model.name)
    found.add("genes", f"{len(prediction.genes):,}", len(prediction.genes))
    out = sum(n for reason, n in record.tiles.by_reason.items() if reason != "ok")
    tiles = record.tiles.total
    found.add("tiles", f"{tiles:,}, of which {out:,} without a prediction", tiles)
    found.add("unit", record.model.expression_unit)
    found.add("made", f"{record.created} by HistoSPACE, record version {record.schema_version}")
    found.notes += [*record.notes, *([record.domain.warning] if record.domain.warning else [])]


def describe_model(request: Request, found: Inspection) -> None:
    """Add the facts of a model package, whose weights are checked too."""
    package = load_package(request.path)
    config = package.config
    found.add("network", str(config["network"]))
    found.add("genes", f"{len(package.genes):,}", len(package.genes))
    reliable = int((package.genes["reliable"] == True).sum())  # noqa: E712 - NaN is not reliable
    found.add("reliable genes", f"{reliable:,}", reliable)
    found.add("tile", f"{package.tile_um:.1f} um wide, {package.tile_px} px", package.tile_um)
    found.add("unit", str(config["expression_unit"]))
    found.add("SHA-256 of the package", package.sha256)
    package.load()


def describe_result(request: Request, found: Inspection) -> None:
    """Add the facts of a folder with `summary.json`: a comparison, evaluation or other result."""
    if (request.path / "spots.h5ad").is_file():
        found.kind = "comparison"
        summary = open_comparison(request.path).summary
        _summary(summary, ("slide", "model", "n_spots", "n_genes", "n_genes_scored"), found)
        _summary(summary, ("per_gene_pearson", "mse_ratio_to_mean"), found)
        found.notes += [str(summary["alignment"]["message"]), str(summary["genes"])]
        return
    summary = _read_summary(request.path)
    found.kind = "evaluation" if "folds" in summary else "result of HistoSPACE"
    _summary(summary, ("network", "n_parameters", "run", "model", "n_domains"), found)
    if isinstance(summary.get("folds"), list):
        found.add("folds", f"{len(summary['folds'])}", len(summary["folds"]))


def _summary(summary: dict[str, Any], keys: tuple[str, ...], found: Inspection) -> None:
    for key in keys:
        if isinstance(value := summary.get(key), str | int | float):
            words = {"per_gene_pearson": "per-gene r", "mse_ratio_to_mean": "error ratio"}
            name = words.get(key, key.removeprefix("n_").replace("_", " "))
            found.add(name, f"{value:,.4g}" if isinstance(value, float) else str(value), value)


def _read_summary(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "summary.json").read_text("utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise StoreError(
            "its summary.json cannot be read", path=folder, remedy="make the result again"
        )
    return content
