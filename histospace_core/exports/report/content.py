"""The facts in a report: slide, tiles, model, scores, genes and comparisons."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from histospace_core.comparison.compare import Comparison, open_comparison
from histospace_core.comparison.interval import coverage_sentence
from histospace_core.evaluation.noise import SHARE_COLUMNS, range_text, share_text
from histospace_core.figures.colours import unit_label
from histospace_core.inference import OUT_OF_DOMAIN_SCORE, Prediction
from histospace_core.uncertainty import scales_text

Rows = list[tuple[str, ...]]
N_BEST: Final = 15
"""Number of genes in the table of the genes with the best scores."""
QC_LABELS: Final = {
    "ok": "predicted",
    "blank": "blank",
    "blurred": "blurred",
    "background": "glass",
    "pen": "ink",
    "fold": "folded tissue",
    "unreadable": "could not be read",
}


def comparisons(run_dir: Path) -> list[Comparison]:
    """Return the comparisons with measured expression in a run's folder."""
    return [open_comparison(f) for f in folders(run_dir, "spots.h5ad", "genes.csv")]


def folders(run_dir: Path, *files: str) -> list[Path]:
    """Return folders below a run that contain `files` and a summary, from old to new.

    The search goes two levels deep.
    """
    summaries = [*run_dir.glob("*/summary.json"), *run_dir.glob("*/*/summary.json")]
    found = [s for s in summaries if all((s.parent / file).is_file() for file in files)]
    return [s.parent for s in sorted(found, key=lambda s: (s.stat().st_mtime, s.parent.name))]


def warnings(prediction: Prediction) -> list[str]:
    """Return the warnings at the top of the report."""
    record = prediction.record
    found = [record.domain.warning] if record.domain.warning else []
    if record.model.slide_was_trained_on:
        found.append(
            "The model was trained on this slide, so the maps look better than they would on a new "
            "patient; for a new patient, expect the held-out scores."
        )
    return [*found, *record.notes]


def slide_rows(prediction: Prediction) -> Rows:
    """Return facts about the slide: (name, value)."""
    slide = prediction.record.slide
    mm = [side * slide.mpp / 1000 for side in (slide.width, slide.height)]
    source = {"user": "entered by the user", "file": "from the file"}[slide.mpp_source]
    rows = [
        ("Slide", slide.name),
        ("Size", f"{slide.width:,} x {slide.height:,} px, {mm[0]:.1f} x {mm[1]:.1f} mm"),
        ("Pixel size", f"{slide.mpp:g} µm/px, {source}"),
        ("Format", f"{slide.vendor}, read by {slide.reader}"),
        ("SHA-256", slide.sha256),
    ]
    return [*rows]


def tile_rows(prediction: Prediction) -> Rows:
    """Return the number of tiles by quality control: (name, value)."""
    tiles, counted = prediction.record.tiles, prediction.obs["qc"].value_counts()
    side, stride = (px * prediction.mpp for px in (tiles.side_level0_px, tiles.stride_level0_px))
    rows = [("Tissue tiles", f"{prediction.n_tiles:,}, {side:.0f} µm wide, every {stride:.0f} µm")]
    for reason in sorted(counted.index, key=lambda r: (r != "ok", r)):
        share = counted[reason] / max(prediction.n_tiles, 1)
        rows.append((QC_LABELS.get(reason, reason), f"{counted[reason]:,} ({share:.1%})"))
    for reason, n in sorted(tiles.excluded.items()):
        if n:
            rows.append((f"not tiled: {QC_LABELS.get(reason, reason)}", f"{n:,}"))
    out_of_domain = prediction.obs["domain_score"] > OUT_OF_DOMAIN_SCORE
    rows.append(
        ("unlike the training tissue", f"{out_of_domain.sum():,} ({out_of_domain.mean():.1%})")
    )
    return [(name, value) for name, value in rows]


def model_rows(prediction: Prediction) -> Rows:
    """Return facts about the model: (name, value)."""
    model, var = prediction.record.model, prediction.var
    interval = model.metrics.get("interval", {})
    rows: Rows = [
        ("Model", model.name),
        ("Network", model.network),
        ("Trained on sections", ", ".join(model.training_sections) or "not recorded"),
        ("Predicts", f"{len(var):,} genes, {unit_label(model.expression_unit)}"),
        ("SHA-256", model.sha256),
    ]
    if prediction.predictive is not None:
        rows.append((f"{interval['level']:.0%} intervals", interval["promise"]))
    if prediction.predictive is not None and interval.get("measured_coverage"):
        covered = (f"{s} {c:.0%}" for s, c in sorted(interval["measured_coverage"].items()))
        rows.append(("Measured coverage, by held-out section", ", ".join(covered)))
    if scales := model.metrics.get("confirmed_scales"):
        rows.append(("Maps confirmed on what was held out, genes", scales_text(scales)))
    return rows


def score_rows(prediction: Prediction) -> Rows:
    """Return the held-out scores of the model: (score, model, mean profile)."""
    var = prediction.var
    scored = var["held_out_pearson"].notna()
    metrics = prediction.record.model.metrics
    by, ratio = metrics.get("held_out_by", ""), metrics.get("mse_ratio_to_mean")
    better = (var["mse_ratio_to_mean"] < 1).sum()
    return [
        (
            f"per-gene r on held-out {by + 's' if by else 'sections'}, mean over "
            f"{scored.sum():,} scored genes",
            score(var["held_out_pearson"].mean()),
            "0",
        ),
        (
            f"error relative to the mean profile{'' if ratio else ', median gene'} "
            "(below 1 is better)",
            score(ratio or var["mse_ratio_to_mean"].median()),
            "1",
        ),
        ("genes with less error than the mean profile", f"{better:,} of {len(var):,}", "0"),
        ("reliable genes", f"{var['reliable'].sum():,} of {len(var):,}", "0"),
    ]


def gene_rows(prediction: Prediction, genes: Sequence[str]) -> Rows:
    """Return held-out scores: gene, r, interval, error ratio, share of the ceiling, reliability."""
    rows: Rows = []
    for gene in genes:
        row = prediction.var.loc[gene]
        rows.append(
            (
                gene,
                score(row["held_out_pearson"]),
                f"{score(row['ci_low'])} to {score(row['ci_high'])}",
                score(row["mse_ratio_to_mean"]),
                share_text([row.get(column, np.nan) for column in SHARE_COLUMNS]),
                "reliable" if row["reliable"] else "unreliable",
            )
        )
    return rows


def comparison_rows(comparison: Comparison) -> Rows:
    """Return the scores of a comparison: (score, each of `comparison_columns`)."""
    s = comparison.summary
    both = [scores for scores in (s, s.get("at_spots")) if scores]
    return [
        (
            f"per-gene r, mean over {s['n_genes_scored']:,} genes",
            *(score(scores["per_gene_pearson"]) for scores in both),
            score(s["mean_profile_per_gene_pearson"]),
        ),
        ("per-gene r given the depth of the spots",
         *(score(scores.get("per_gene_pearson_given_depth")) for scores in both), "0"),
        ("noise ceiling of r",
         *(range_text(*(scores.get(end) for end in ("noise_ceiling", "noise_ceiling_low")),
                      form="{:.2f}") for scores in both), ""),
        ("error relative to the mean profile (below 1 is better)",
         *(score(scores["mse_ratio_to_mean"]) for scores in both), "1"),
        ("per-spot r (misleading alone)",
         *(score(scores["per_spot_pearson"]) for scores in both),
         score(s["mean_profile_per_spot_pearson"])),
        ("genes with less error than the mean profile",
         *("not scored" if scores["n_genes_scored"] == 0
           else f"{scores['share_of_genes_beating_mean']:.0%}" for scores in both),
         "0%"),
    ]  # fmt: skip


def comparison_columns(comparison: Comparison) -> list[str]:
    """Return the titles of the scores: of one prediction, or of the map's and that at the spots."""
    names = ["map", "at the spots"] if comparison.summary.get("at_spots") else ["prediction"]
    return [*names, "mean profile, no image"]


def comparison_notes(comparison: Comparison) -> list[str]:
    """Return the warnings about a comparison, its alignment and its genes."""
    s = comparison.summary
    at_spots = s.get("at_spots")
    labels = f"Map: {s['label']}. At the spots: {at_spots['label']}." if at_spots else ""
    parts = [s["training_warning"], s["domain_warning"], s["alignment"]["message"], s["genes"]]
    parts.append(labels)
    if s.get("interval"):
        parts.append(coverage_sentence(s["interval"]))
    return [part for part in parts if part]


def compared_genes(comparison: Comparison, genes: Sequence[str], n: int) -> Rows:
    """Return scores of the first `n` of `genes` that have one, otherwise of the best genes."""
    table = comparison.genes.dropna(subset=["pearson"]).set_index("gene")
    chosen = [gene for gene in genes if gene in table.index]
    if not chosen:
        chosen = list(table["held_out_pearson"].sort_values(ascending=False, kind="stable").index)
    return [
        (
            gene,
            score(table.loc[gene, "pearson"]),
            score(table.loc[gene, "held_out_pearson"]),
            score(table.loc[gene, "mse_ratio_to_mean"]),
            f"{table.loc[gene, 'q_value']:.2g}",
        )
        for gene in chosen[:n]
    ]


def score(value: Any) -> str:
    """Return a score with two digits, or "not scored"."""
    return "not scored" if value is None or pd.isna(value) else f"{value:.2f}".replace("-", "−")
