"""The leaderboard as Markdown."""

import math

import pandas as pd

_COLUMNS = {
    "network": ("network", "{}"),
    "recipe": ("recipe", "{}"),
    "per_gene_pearson": ("per-gene r", "{:.3f}"),
    "per_gene_pearson_hvg50": ("r HVG50", "{:.3f}"),
    "mse_ratio_to_mean": ("MSE ratio", "{:.3f}"),
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
    """One table for each cohort and split, and what its columns mean."""
    lines = ["# Leaderboard", ""]
    for (cohort, split), group in rows.groupby(["cohort", "split"], sort=False):
        first = group.iloc[0]
        lines += [
            f"## {cohort}, {split}",
            "",
            f"Mean over {group['seeds'].min()} seed(s) and {first['n_sections']} held-out "
            f"section(s). The mean profile, which knows no image, has a per-spot r of "
            f"{first['mean_profile_per_spot_pearson']:.3f}; the noise ceiling of the per-gene r "
            f"is {first['noise_ceiling']:.3f}.",
            "",
            *_table(group, _COLUMNS),
            "",
            "Made by, one row each:",
            "",
            *(f"    {script}" for script in group["script"]),
            "",
        ]
    threads = ", ".join(str(int(t)) for t in sorted(rows["threads"].unique()))
    return [
        *lines,
        "Per-gene r: Pearson correlation over the spots of one section, mean over genes, sections, "
        "patients. MSE ratio: below 1 beats the mean profile. GMACs, speed: all that one spot's "
        f"prediction takes, fp32, not compiled, {threads} CPU thread(s), median of repeated "
        "passes. Memory: the resident process while it predicts on the CPU, Python and torch "
        "included. Training: seconds a fold, reading and scoring left out.",
    ]


def against_lines(against: pd.DataFrame) -> list[str]:
    """Which differences hold; none without a pair."""
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
        "## One against the others",
        "",
        *_table(against, columns),
        "",
        "Read the permutation's p: it flips blocks of spots, all genes together. Wilcoxon's takes "
        "genes for independent, which they are not.",
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
