"""What went into a run, what ran and what came out: the content of `run.json`."""

import platform
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import torch

from histospace_core import __version__
from histospace_core.networks import ModelPackage, Predictor
from histospace_core.slides.open import Slide
from histospace_core.slides.stain import StainNormaliser
from histospace_core.slides.tiles import TilePlan

OUTSIDE_DOMAIN = 0.99
"""A tile with a higher domain score lies outside the training tissue."""
MANY_OUTSIDE = 0.2
"""Share of tiles outside over which a run says not to trust it; training tissue has 0.01."""

RESEARCH_USE = "Research use only. Not for diagnosis."


def run_key(
    slide: Slide, model: ModelPackage, plan: TilePlan, stain: str, *, quick: bool
) -> dict[str, Any]:
    """Identify a run: two runs of one key give the same prediction."""
    return {
        "slide_sha256": slide.sha256(),
        "mpp": slide.mpp,
        "model_sha256": model.sha256,
        "n_tiles": plan.n_tiles,
        "stride_um": plan.stride_um,
        "stain": stain,
        "quick": quick,
        "version": __version__,
    }


def provenance(
    slide: Slide,
    model: ModelPackage,
    plan: TilePlan,
    normalise: StainNormaliser,
    predict: Predictor,
    obs: pd.DataFrame,
) -> dict[str, Any]:
    """Assemble the record of a run; the caller adds its timings."""
    p = slide.properties
    trained_on = model.config.get("training_sections", [])
    metrics = model.config.get("metrics", {})
    scores = obs["domain_score"].dropna()
    outside = float((scores > OUTSIDE_DOMAIN).mean()) if len(scores) else 0.0
    return {
        "software": "HistoSPACE",
        "notice": RESEARCH_USE,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "slide": {
            "name": slide.path.name,
            "sha256": slide.sha256(),
            "width": slide.width,
            "height": slide.height,
            "mpp": slide.mpp,
            "mpp_source": p.mpp_source,
            "vendor": p.vendor,
            "reader": p.reader,
        },
        "model": {
            "name": model.name,
            "sha256": model.sha256,
            "network": model.config["network"],
            "expression_unit": model.config["expression_unit"],
            "stored_as": model.stored_as,
            "training_sections": [s["section"] for s in trained_on],
            "metrics": {k: v for k, v in metrics.items() if k != "signatures"},
            "signatures": metrics.get("signatures", {}),
            "slide_was_trained_on": slide.sha256() in {s.get("image_sha256") for s in trained_on},
        },
        "settings": {
            "stain": normalise.name,
            "stain_parameters": normalise.parameters,
            "stride_um": plan.stride_um,
            "tile_px": plan.tile_px,
            "um_per_px": plan.um_per_px,
            **predict.record(),
        },
        "tiles": {
            "total": plan.n_tiles,
            "side_level0_px": plan.tile_level0,
            "stride_level0_px": plan.stride_um / slide.mpp,
            "by_reason": {k: int(n) for k, n in sorted(Counter(obs["qc"]).items())},
            "excluded": dict(plan.excluded),
            "unreadable_at_level0_px": _named(plan, obs),
        },
        "domain": {
            "share_outside": outside,
            "median_score": float(scores.median()) if len(scores) else None,
            "warning": _domain_warning(outside),
        },
        "notes": list(plan.notes),
        "versions": {
            "histospace": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }


def _named(plan: TilePlan, obs: pd.DataFrame) -> list[list[float]]:
    """Return the centres of the tiles that could not be read, the first hundred of them."""
    return plan.centres[(obs["qc"] == "unreadable").to_numpy()][:100].round(1).tolist()


def _domain_warning(share_outside: float) -> str:
    if share_outside <= MANY_OUTSIDE:
        return ""
    return (
        f"{share_outside:.0%} of the tiles look unlike the tissue this model was trained on; "
        "do not trust the predictions on this slide."
    )
