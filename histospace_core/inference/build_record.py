"""Build the record of a prediction from the slide, the model, the plan and the results."""

import hashlib
import json
import platform
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import torch

from histospace_core import __version__
from histospace_core.inference.record import (
    DomainRecord,
    ModelRecord,
    RunRecord,
    SettingsRecord,
    SlideRecord,
    TilesRecord,
    Timings,
)
from histospace_core.networks import ModelPackage, Predictor
from histospace_core.slides.open import Slide
from histospace_core.slides.stain import StainNormaliser
from histospace_core.slides.tiles import TilePlan

OUT_OF_DOMAIN_SCORE = 0.99
"""A tile with a higher domain score is out of domain."""
MAX_SHARE_OUTSIDE = 0.2
"""Share of out-of-domain tiles above which a run carries a warning; training tissue has 0.01."""


def run_key(
    slide: Slide, model: ModelPackage, plan: TilePlan, stain: str, *, fast: bool
) -> dict[str, Any]:
    """Return the key of a run; runs with equal keys give the same prediction."""
    return {
        "slide_sha256": slide.sha256(),
        "mpp": slide.mpp,
        "series": slide.properties.series,
        "icc": slide.properties.icc,
        "model_sha256": model.sha256,
        "n_tiles": plan.n_tiles,
        "stride_um": plan.stride_um,
        "stain": stain,
        "quick": fast,
        "version": __version__,
    }


def key_digest(key: dict[str, Any]) -> str:
    """Return the SHA-256 of a run's key, which its record keeps."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def build_record(
    key: dict[str, Any],
    slide: Slide,
    model: ModelPackage,
    plan: TilePlan,
    normalise: StainNormaliser,
    predict: Predictor,
    obs: pd.DataFrame,
    timings: Timings,
) -> RunRecord:
    """Build the record of a run that has just been predicted."""
    trained_on = model.config.get("training_sections", [])
    metrics = model.config.get("metrics", {})
    scores = obs["domain_score"].dropna()
    outside = float((scores > OUT_OF_DOMAIN_SCORE).mean()) if len(scores) else 0.0
    return RunRecord(
        key_sha256=key_digest(key),
        timings=timings,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        slide=SlideRecord(
            name=slide.path.name,
            sha256=slide.sha256(),
            width=slide.width,
            height=slide.height,
            mpp=slide.mpp,
            mpp_source=slide.properties.mpp_source,
            vendor=slide.properties.vendor,
            reader=slide.properties.reader,
            series=slide.properties.series,
            icc=slide.properties.icc,
        ),
        model=ModelRecord(
            name=model.name,
            sha256=model.sha256,
            network=model.config["network"],
            expression_unit=model.config["expression_unit"],
            stored_as=model.stored_as,
            training_sections=tuple(s["section"] for s in trained_on),
            metrics={k: v for k, v in metrics.items() if k != "signatures"},
            signatures=metrics.get("signatures", {}),
            slide_was_trained_on=slide.sha256() in {s.get("image_sha256") for s in trained_on},
        ),
        settings=SettingsRecord(
            stain=normalise.name,
            stain_parameters=normalise.parameters,
            stride_um=plan.stride_um,
            tile_px=plan.tile_px,
            um_per_px=plan.um_per_px,
            **predict.record(),
        ),
        tiles=TilesRecord(
            total=plan.n_tiles,
            side_level0_px=plan.tile_level0,
            stride_level0_px=plan.stride_um / slide.mpp,
            by_reason={k: int(n) for k, n in sorted(Counter(obs["qc"]).items())},
            excluded=dict(plan.excluded),
            unreadable_at_level0_px=_unreadable(plan, obs),
        ),
        domain=DomainRecord(
            share_outside=outside,
            median_score=float(scores.median()) if len(scores) else None,
            warning=_domain_warning(outside),
        ),
        notes=(*slide.properties.notes, *plan.notes),
        versions={
            "histospace": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    )


def _unreadable(plan: TilePlan, obs: pd.DataFrame) -> tuple[tuple[float, float], ...]:
    """Return the centres of the first hundred tiles that could not be read."""
    centres = plan.centres[(obs["qc"] == "unreadable").to_numpy()][:100].round(1)
    return tuple((float(x), float(y)) for x, y in centres)


def _domain_warning(share_outside: float) -> str:
    if share_outside <= MAX_SHARE_OUTSIDE:
        return ""
    return (
        f"{share_outside:.0%} of the tiles look unlike the tissue this model was trained on; "
        "do not trust the predictions on this slide."
    )
