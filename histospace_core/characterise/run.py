"""Characterise a finished run: domains, markers, signatures, and how far to trust each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.characterise.agreement import agreement
from histospace_core.characterise.boundary import read_regions, region_labels
from histospace_core.characterise.domains import Domains, find_domains
from histospace_core.characterise.markers import SMALLEST_REGION, Markers, find_markers
from histospace_core.characterise.signatures import SignatureScores, read_gmt, score_signatures
from histospace_core.errors import MeasurementError
from histospace_core.inference import OUTSIDE_DOMAIN, RESEARCH_USE, Prediction, open_prediction

MANY_FOREIGN = 0.5
"""A domain is marked if this share of its tiles looks unlike the training tissue."""
CALLED = 0.1
_NAMED_AFTER = 0.1
"""Smallest difference of mean scores, in z, that names a domain after a signature."""


@dataclass(frozen=True)
class Characterisation:
    """What a run says about its tissue.

    Attributes
    ----------
    prediction : Prediction
    domains : Domains
    names : list of str
        Of the domains of the chosen level: ``"D1: Stroma"``, the suggestion after the signature
        that stands out most, or ``"D1"`` where none does.
    markers : Markers or None
        None where fewer than two domains are large enough.
    signatures : SignatureScores
    foreign : bool, (n,)
        Tiles that look unlike the training tissue.
    summary : dict
        As written to ``summary.json``.
    """

    prediction: Prediction
    domains: Domains
    names: list[str]
    markers: Markers | None
    signatures: SignatureScores
    foreign: NDArray[np.bool_]
    summary: dict[str, Any]


def characterise_run(
    run_dir: Path,
    *,
    signatures: Path | None = None,
    annotations: Path | None = None,
    all_genes: bool = False,
    seed: int = 0,
) -> Characterisation:
    """Find the domains of a run, what marks them, and where each signature runs.

    Parameters
    ----------
    run_dir : pathlib.Path
        Folder of a finished run.
    signatures : pathlib.Path, optional
        GMT file; the signatures that ship where not given.
    annotations : pathlib.Path, optional
        GeoJSON of regions drawn by a person, to compare the domains with.
    all_genes : bool
        Use every gene, and say so, instead of the reliable ones.
    seed : int

    Raises
    ------
    StoreError
        The folder holds no finished run.
    MeasurementError
        A file cannot be used, or the run has too little to characterise.
    """
    lists = read_gmt(signatures) if signatures else read_gmt()
    drawn = read_regions(annotations) if annotations else None
    prediction = open_prediction(run_dir)
    table = prediction.to_anndata()
    reliable = table.var["reliable"].to_numpy(bool)
    if not all_genes and reliable.sum() < 2:
        raise MeasurementError(
            f"{reliable.sum()} genes of this model are reliable, too few to characterise tissue "
            "with; --all-genes uses every gene, at your own risk."
        )
    used = np.ones(table.n_vars, bool) if all_genes else reliable
    domains = find_domains(table[:, used], seed=seed)
    scored = score_signatures(table, lists, reliable_only=not all_genes)
    markers = None
    if np.sum(np.bincount(domains.best[domains.best >= 0]) >= SMALLEST_REGION) >= 2:
        markers = find_markers(table, domains.best, reliable_only=not all_genes, seed=seed)
    names = domain_names(domains.best, scored)
    foreign = prediction.obs["domain_score"].to_numpy(dtype=np.float64) > OUTSIDE_DOMAIN
    summary = _summary(prediction, domains, names, markers, scored, foreign, used, reliable)
    if drawn is not None:
        labels = region_labels(drawn, prediction.centres)
        summary["agreement"] = agreement(domains.best, labels, prediction.centres, seed=seed)
    return Characterisation(prediction, domains, names, markers, scored, foreign, summary)


def domain_names(labels: NDArray[np.intp], scored: SignatureScores) -> list[str]:
    """Suggest a name for each domain: its number and the signature that stands out most in it."""
    names = []
    for domain in range(int(labels.max()) + 1):
        inside = labels == domain
        name = f"D{domain + 1}"
        known = np.isfinite(scored.scores).any(0)
        if known.any() and inside.any() and (~inside & (labels >= 0)).any():
            here = np.nanmean(scored.scores[inside][:, known], axis=0)
            there = np.nanmean(scored.scores[~inside & (labels >= 0)][:, known], axis=0)
            best = int((here - there).argmax())
            if (here - there)[best] >= _NAMED_AFTER:
                name += ": " + str(scored.table["signature"].to_numpy()[known][best])
        names.append(name)
    return names


def _summary(
    prediction: Prediction,
    domains: Domains,
    names: list[str],
    markers: Markers | None,
    scored: SignatureScores,
    foreign: NDArray[np.bool_],
    used: NDArray[np.bool_],
    reliable: NDArray[np.bool_],
) -> dict[str, Any]:
    facts = prediction.provenance
    called = markers.table[markers.table["q_value"] < CALLED] if markers else pd.DataFrame()
    found = []
    for number, name in enumerate(names):
        inside = domains.best == number
        top = called[called["region"] == str(number)] if len(called) else called
        raised = top[top["difference"] > 0] if len(top) else top
        outside = float(foreign[inside].mean())
        found.append(
            {
                "domain": name,
                "n_tiles": int(inside.sum()),
                "confidence": float(np.nanmean(domains.confidence[inside, domains.chosen])),
                "markers_called": len(top),
                "top_markers": list(raised["gene"][:5]) if len(raised) else [],
                "share_outside_training_tissue": outside,
                "trust": "low: unlike the training tissue" if outside > MANY_FOREIGN else "",
            }
        )
    warnings = [facts["domain"]["warning"]] if facts.get("domain", {}).get("warning") else []
    if not reliable[used].all():
        share = float(reliable[used].mean())
        warnings.append(f"Rests on all genes, of which only {share:.0%} are reliable.")
    warnings.append(
        "The domains were found on the genes that are tested between them: q-values rank the "
        "markers, they do not show that the domains exist."
    )
    return {
        "use": RESEARCH_USE,
        "model": facts["model"]["name"],
        "slide_sha256": facts["slide"]["sha256"],
        "expression_unit": facts["model"]["expression_unit"],
        "n_tiles": prediction.n_tiles,
        "n_genes": len(used),
        "n_genes_reliable": int(reliable.sum()),
        "share_reliable": float(reliable.mean()),
        "n_genes_used": int(used.sum()),
        "levels": [
            {"resolution": r, "n_domains": n, "stability": float(s)}
            for r, n, s in zip(
                domains.resolutions, domains.n_domains, domains.stability, strict=True
            )
        ],
        "chosen_level": domains.chosen,
        "domains": found,
        "signatures": scored.table.drop(columns="genes_used").to_dict("records"),
        "warnings": warnings,
    }
