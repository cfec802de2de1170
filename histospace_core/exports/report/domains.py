"""Tissue domains in a report, read from the files of a characterisation."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from histospace_core.errors import StoreError
from histospace_core.exports.report.content import Rows, folders, score


@dataclass(frozen=True)
class Domains:
    """The result of `histospace characterise`, as in its files.

    Attributes
    ----------
    labels : Series of str
        Domain by tile name; "" for a tile without a domain.
    summary : dict
        Content of ``summary.json``.
    """

    labels: pd.Series
    summary: dict[str, Any]


def read_domains(run_dir: Path) -> Domains | None:
    """Return the newest characterisation in a run's folder, or None.

    Raises
    ------
    StoreError
        Its files are damaged.
    """
    found = folders(run_dir, "domains.csv", "markers.csv")
    if not found:
        return None
    try:
        table = pd.read_csv(found[-1] / "domains.csv", dtype={"tile": str, "domain": str})
        summary = json.loads((found[-1] / "summary.json").read_text("utf-8"))
        return Domains(table.set_index("tile")["domain"].fillna(""), summary)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"The characterisation '{found[-1].name}' is damaged; characterise the run again."
        ) from error


def domain_rows(found: Domains) -> Rows:
    """Return the domains: name, tiles, confidence, markers, trust."""
    return [
        (
            str(d["domain"]),
            f"{d['n_tiles']:,}",
            score(d["confidence"]),
            ", ".join(d["top_markers"]) or "none",
            str(d["trust"]) or "no warning",
        )
        for d in found.summary["domains"]
    ]


def domain_scores(found: Domains) -> Rows:
    """Return the stability and agreement of the domains: (score, these domains, control)."""
    summary = found.summary
    levels = summary.get("levels", [])
    if not levels:
        return []
    level = levels[summary["chosen_level"]]
    rows: Rows = [
        ("stability under resampling", score(level["stability"]),
         f"{score(level.get('stability_control'))} on noise without domains"),
    ]  # fmt: skip
    for name, agreed in (
        ("measured domains", level.get("measured")),
        ("drawn regions", level.get("agreement", summary.get("agreement"))),
    ):
        if agreed and "ari" in agreed:
            control = f"{score(agreed['ari_shuffled_mean'])} at random positions on the tissue"
            rows.append((f"agreement with {name} (ARI)", score(agreed["ari"]), control))
    return rows
