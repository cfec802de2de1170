"""Records of runs that were never computed."""

from typing import Any

from histospace_core.inference import RunRecord

_RECORD: dict[str, dict[str, Any]] = {
    "slide": {
        "name": "s",
        "sha256": "ab" * 32,
        "width": 300,
        "height": 200,
        "mpp": 0.5,
        "mpp_source": "file",
        "vendor": "aperio",
        "reader": "openslide",
    },
    "model": {
        "name": "small",
        "sha256": "cd" * 32,
        "network": "histospace",
        "expression_unit": "log10_cp10k",
        "stored_as": "float16",
        "training_sections": (),
        "metrics": {},
        "signatures": {},
        "slide_was_trained_on": False,
    },
    "settings": {
        "stain": "none",
        "stain_parameters": {},
        "stride_um": 50.0,
        "tile_px": 100,
        "um_per_px": 0.5,
        "device": "cpu",
        "arithmetic": "fp32",
        "agreement_with_fp32": None,
        "refused": (),
    },
    "tiles": {
        "total": 6,
        "side_level0_px": 100.0,
        "stride_level0_px": 100.0,
        "by_reason": {"ok": 6},
        "excluded": {},
        "unreadable_at_level0_px": (),
    },
    "domain": {"share_outside": 0.0, "median_score": 0.5, "warning": ""},
}


def run_record(**changes: Any) -> RunRecord:
    """Return the record of a prediction; a dict changes some fields of a part."""
    parts = {name: {**part, **changes.pop(name, {})} for name, part in _RECORD.items()}
    versions = {"histospace": "0.1.0", "torch": "2.10", "python": "3.11"}
    facts: dict[str, Any] = {"created": "2026-01-02T03:04:05+00:00", "notes": ()}
    return RunRecord.model_validate({**facts, "versions": versions, **parts, **changes})
