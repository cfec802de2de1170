"""Characterise a finished run: domains, markers and signatures, each with its reliability."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.characterise.agreement import agreement
from histospace_core.characterise.boundary import region_labels
from histospace_core.characterise.domains import Domains, find_domains
from histospace_core.characterise.expected import expected_in_regions
from histospace_core.characterise.geojson import read_regions
from histospace_core.characterise.levels import Level, Measured, describe_level, domain_facts
from histospace_core.characterise.markers import find_markers
from histospace_core.characterise.measured import measured_domains, signatures_at_spots
from histospace_core.characterise.signatures import (
    Signature,
    SignatureScores,
    read_gmt,
    score_signatures,
)
from histospace_core.comparison.compare import Comparison, open_comparison
from histospace_core.errors import MeasurementError
from histospace_core.inference import (
    OUT_OF_DOMAIN_SCORE,
    RESEARCH_USE,
    Prediction,
    RunRecord,
    open_prediction,
)
from histospace_core.progress import OnProgress, Progress, no_progress

MOST_CONTROLLED = 20_000
"""Largest number of tiles for which domain stability is also computed on noise."""


@dataclass(frozen=True)
class Characterisation:
    """The domains, markers and signatures of a run.

    Attributes
    ----------
    prediction : Prediction
    domains : Domains
    levels : list of Level
        One per resolution of `domains`.
    signatures : SignatureScores
        The table includes each score's correlation on held-out patients and, with a comparison,
        on this section.
    region_markers : DataFrame or None
        ``Markers.table`` of the annotated regions, with q-values.
    out_of_domain : bool, (n,)
        Tiles that lie outside the model's domain.
    summary : dict
        Content of ``summary.json``.
    """

    prediction: Prediction
    domains: Domains
    levels: list[Level]
    signatures: SignatureScores
    region_markers: pd.DataFrame | None
    out_of_domain: NDArray[np.bool_]
    summary: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """Names of the domains of the chosen level."""
        return self.level.names

    @property
    def level(self) -> Level:
        """The chosen level."""
        return self.levels[self.domains.chosen]


def characterise_run(
    run_dir: Path,
    *,
    signatures: Path | None = None,
    annotations: Path | None = None,
    comparison: Path | None = None,
    all_genes: bool = False,
    seed: int = 0,
    on_progress: OnProgress = no_progress,
) -> Characterisation:
    """Find the domains of a run, their markers, and the score of each signature on each tile.

    Parameters
    ----------
    run_dir : pathlib.Path
        Folder of a finished run.
    signatures : pathlib.Path, optional
        GMT file; by default the signatures that come with the program.
    annotations : pathlib.Path, optional
        GeoJSON of regions drawn by a person, to compare the domains with.
    comparison : pathlib.Path, optional
        Folder that `compare_run` wrote for this run; adds the measured counterpart of each result.
    all_genes : bool
        Use all genes, not only the reliable ones; the summary then contains a warning.
    seed : int
    on_progress : callable, optional
        Called with the `Progress` before each step.

    Raises
    ------
    StoreError
        The folder does not contain a finished run.
    MeasurementError
        A file cannot be used, or the run has too few tiles or genes.
    """
    lists = read_gmt(signatures) if signatures else read_gmt()  # a bad file fails before the work
    regions = read_regions(annotations) if annotations else None
    prediction = open_prediction(run_dir)
    compared = _comparison(comparison, prediction) if comparison else None
    on_progress(Progress(0, 1, "finding domains"))
    table = prediction.to_anndata()
    reliable = table.var["reliable"].to_numpy(bool)
    if not all_genes and reliable.sum() < 2:
        raise MeasurementError(
            f"{reliable.sum()} genes of this model are reliable, too few to characterise tissue; "
            "use all genes (--all-genes) at your own risk."
        )
    used = np.ones(table.n_vars, bool) if all_genes else reliable
    control = table.n_obs <= MOST_CONTROLLED
    domains = find_domains(table[:, used], control=control, seed=seed)
    steps = len(domains.resolutions) + 2
    on_progress(Progress(1, steps, "scoring signatures"))
    scored = score_signatures(table, lists, reliable_only=not all_genes)
    genes = list(table.var_names[used])
    skill = _skill(prediction, compared, lists, genes, shipped=signatures is None)
    scored = replace(
        scored, table=_with_skill_notes(scored.table.merge(skill, on="signature", how="left"))
    )
    measured = None
    if compared:
        stride = prediction.record.tiles.stride_level0_px
        measured = Measured(compared.spots, measured_domains(compared.spots, seed), stride)
    levels = []
    for column, number in enumerate(domains.n_domains):
        on_progress(Progress(2 + column, steps, f"markers of {number} domains"))
        labels = domains.labels[:, column]
        level = describe_level(table, labels, scored, measured, all_genes=all_genes, seed=seed)
        markers = level.markers
        if markers is not None:
            markers = _with_expected(markers, prediction, labels.astype(str))
        levels.append(replace(level, markers=markers))
    out_of_domain = prediction.obs["domain_score"].to_numpy(dtype=np.float64) > OUT_OF_DOMAIN_SCORE
    summary = _summary(prediction, domains, levels, scored, out_of_domain, used, compared)
    region_markers = None
    if regions is not None:
        annotated = region_labels(regions, prediction.centres)
        summary["agreement"] = agreement(domains.best, annotated, prediction.centres, seed=seed)
        region_markers = _with_expected(
            find_markers(table, annotated, reliable_only=not all_genes, seed=seed).table,
            prediction,
            annotated,
        )
    return Characterisation(
        prediction, domains, levels, scored, region_markers, out_of_domain, summary
    )


def _with_expected(
    markers: pd.DataFrame, prediction: Prediction, labels: NDArray[np.str_]
) -> pd.DataFrame:
    """Add what to expect of true expression in each region against the others, if it is known.

    Parameters
    ----------
    labels : (tiles,)
        Region of each tile; "" or "-1" for none.
    """
    labelled = ~np.isin(labels, ["", "-1"])
    regions = list(dict.fromkeys(markers["region"]))
    sides = {r: (labels == r, labelled & (labels != r)) for r in regions}
    genes = list(dict.fromkeys(markers["gene"]))
    found = expected_in_regions(prediction, sides, genes)
    if not found:
        return markers
    table = pd.concat([one.assign(region=region) for region, one in found.items()])
    return markers.merge(table, on=["region", "gene"], how="left")


def _comparison(folder: Path, prediction: Prediction) -> Comparison:
    """Open a comparison and check that it is of the same slide and model."""
    found = open_comparison(folder)
    record = prediction.record
    theirs = found.summary.get("slide"), found.summary.get("model")
    if theirs != (record.slide.name, record.model.name):
        raise MeasurementError(
            f"'{folder.name}' is a comparison of another slide or model; compare this run first."
        )
    return found


def _skill(
    prediction: Prediction,
    compared: Comparison | None,
    lists: Sequence[Signature],
    used: list[str],
    *,
    shipped: bool,
) -> pd.DataFrame:
    """Return how well each signature is predicted, on held-out patients and on this section."""
    names = pd.DataFrame({"signature": [s.name for s in lists]})
    held_out = prediction.record.model.signatures
    if shipped and held_out:  # packages have scores of the shipped lists only
        scores = pd.DataFrame.from_dict(held_out, orient="index").drop(columns="n_used")
        scores = scores.rename(columns={"ci_low": "held_out_ci_low", "ci_high": "held_out_ci_high"})
        names = names.merge(scores, left_on="signature", right_index=True, how="left")
    if compared:
        names = names.merge(signatures_at_spots(compared.spots, lists, used), on="signature")
    return names


def _with_skill_notes(table: pd.DataFrame) -> pd.DataFrame:
    """Add a note to each signature whose held-out score is no better than that of random lists."""
    if "held_out_pearson" not in table:
        return table
    unspecific = table["held_out_pearson"] <= table["random_p95"]
    notes = table["note"].str.cat(["no better than random lists"] * len(table), sep="; ")
    return table.assign(note=table["note"].where(~unspecific, notes.str.removeprefix("; ")))


def _summary(
    prediction: Prediction,
    domains: Domains,
    levels: list[Level],
    scored: SignatureScores,
    out_of_domain: NDArray[np.bool_],
    used: NDArray[np.bool_],
    compared: Comparison | None,
) -> dict[str, Any]:
    record = prediction.record
    reliable = prediction.var["reliable"].to_numpy(bool)
    described = [
        {
            "resolution": domains.resolutions[i],
            "n_domains": domains.n_domains[i],
            "stability": float(domains.stability[i]),
            "stability_control": float(domains.stability_control[i]),
            "domains": domain_facts(
                level, domains.labels[:, i], domains.confidence[:, i], out_of_domain
            ),
            "measured": level.measured,
        }
        for i, level in enumerate(levels)
    ]
    return {
        "use": RESEARCH_USE,
        "model": record.model.name,
        "slide_sha256": record.slide.sha256,
        "expression_unit": record.model.expression_unit,
        "n_tiles": prediction.n_tiles,
        "n_genes": len(used),
        "n_genes_reliable": int(reliable.sum()),
        "share_reliable": float(reliable.mean()),
        "n_genes_used": int(used.sum()),
        "share_outside_training_tissue": float(out_of_domain.mean()),
        "chosen_level": domains.chosen,
        "levels": described,
        "domains": described[domains.chosen]["domains"],
        "signatures": scored.table.drop(columns="genes_used").to_dict("records"),
        "compared_with": compared.directory.name if compared else None,
        "warnings": _warnings(record, used, reliable),
    }


def _warnings(record: RunRecord, used: NDArray[np.bool_], reliable: NDArray[np.bool_]) -> list[str]:
    warnings = [record.domain.warning] if record.domain.warning else []
    if record.model.slide_was_trained_on:
        warnings.append(
            "The model was trained on this slide, so these results do not show how it performs on "
            "a new patient."
        )
    if not reliable[used].all():
        share = float(reliable[used].mean())
        warnings.append(f"Based on all genes, of which only {share:.0%} are reliable.")
    return warnings
