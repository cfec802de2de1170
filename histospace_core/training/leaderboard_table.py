"""The leaderboard as Markdown."""

import math

import pandas as pd

from histospace_core.evaluation.noise import range_text

_COLUMNS = {
    "network": ("network", "{}"),
    "recipe": ("recipe", "{}"),
    "per_gene_pearson": ("per-gene r", "{:.3f}"),
    "per_gene_pearson_hvg50": ("r HVG50", "{:.3f}"),
    "mse_ratio_to_mean": ("MSE ratio", "{:.3f}"),
    "per_gene_pearson_given_depth": ("r given depth", "{:.3f}"),
    "share_of_noise_ceiling": ("share of ceiling", "{:.0%}"),
    "per_spot_pearson": ("per-spot r", "{:.3f}"),
    "n_parameters": ("parameters", "{:,}"),
    "gmacs_per_tile": ("GMACs a tile", "{:.3g}"),
    "train_seconds": ("training, s", "{:,.0f}"),
    "tiles_per_second_cpu": ("tiles/s CPU", "{:,.0f}"),
    "tiles_per_second_gpu": ("tiles/s GPU", "{:,.0f}"),
    "peak_memory_mb": ("memory, MB", "{:,.0f}"),
    "date": ("date", "{}"),
    "note": ("note", "{}"),
}


def leaderboard_lines(rows: pd.DataFrame) -> list[str]:
    """Return one table for each cohort and split, with an explanation of its columns."""
    lines = ["# Leaderboard", ""]
    for (cohort, split), group in rows.groupby(["cohort", "split"], sort=False):
        first = group.iloc[0]
        lines += [
            f"## {cohort}, {split}",
            "",
            f"Mean over {group['seeds'].min()} seed(s) and {first['n_sections']} held-out "
            f"section(s). The mean profile, which uses no image, has a per-spot r of "
            f"{first['mean_profile_per_spot_pearson']:.3f}. The noise ceiling of per-gene r is "
            f"{range_text(first['noise_ceiling'], first.get('noise_ceiling_low'))}.",
            "",
            *_table(group, _COLUMNS),
            "",
            "Each command makes one row:",
            "",
            *(f"    {script}" for script in group["script"]),
            "",
        ]
    threads = ", ".join(str(int(t)) for t in sorted(rows["threads"].unique()))
    return [
        *lines,
        "Per-gene r is the Pearson correlation over the spots of one section, averaged over genes, "
        "sections and patients. An MSE ratio below 1 is better than the mean profile. GMACs and "
        "speed cover everything that the prediction of one spot needs, in fp32, not compiled, with "
        f"{threads} CPU thread(s); speed is the median of repeated passes. Memory is that of the "
        "process while it predicts on the CPU, Python and PyTorch included. Training is in seconds "
        "for each fold, without reading and scoring.",
    ]


def against_lines(against: pd.DataFrame) -> list[str]:
    """Return the table of paired tests; no lines without a pair."""
    if against.empty:
        return []
    columns = {
        "split": ("split", "{}"),
        "a": ("A", "{}"),
        "b": ("B", "{}"),
        "mean_a": ("r of A", "{:.3f}"),
        "mean_b": ("r of B", "{:.3f}"),
        "difference": ("A - B", "{:+.3f}"),
        "permutation_p": ("p, spatial permutation", "{:.2g}"),
        "wilcoxon_p": ("p, Wilcoxon", "{:.2g}"),
        "share_of_genes_better": ("genes on which A is better", "{:.0%}"),
    }
    return [
        "",
        "## Differences between networks",
        "",
        *_table(against, columns),
        "",
        "Use the p of the permutation test, which swaps the two predictions in blocks of spots for "
        "all genes together. The Wilcoxon test treats genes as independent, which they are not.",
    ]


def _table(rows: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> list[str]:
    lines = [
        "| " + " | ".join(title for title, _ in columns.values()) + " |",
        "|" + "---|" * len(columns),
    ]
    for record in rows.to_dict("records"):
        cells = (_cell(record.get(key), form) for key, (_, form) in columns.items())
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _cell(value: object, form: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return form.format(value).replace("|", "/")
