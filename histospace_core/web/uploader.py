"""The upload field of the pages: a file of any size goes to our own route, never into memory."""

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import streamlit as st
from streamlit import runtime

from histospace_core.web.context import get_context
from histospace_core.web.upload_routes import PURPOSE

_STATIC = Path(__file__).parent / "static"
_registered: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def slide_uploader(key: str, label: str = "Slide") -> dict[str, Any] | None:
    """Show the upload field for a slide.

    Returns
    -------
    None while nothing was uploaded; `{"slide_id", "name", "mpp"}` of the slide in the catalog once
    it was accepted; `{"error": sentence}` when it was refused. Stays until the next upload begins.
    """
    return _uploader(key, "slide", label)


def measured_uploader(
    key: str, label: str = "Measured spatial transcriptomics"
) -> dict[str, Any] | None:
    """Show the upload field for a file of measured expression.

    Returns
    -------
    As `slide_uploader`, with `{"measured_id", "name"}`; `web.intake.measured_file` gives the path.
    """
    return _uploader(key, "measured", label)


def _uploader(key: str, kind: str, label: str) -> dict[str, Any] | None:
    context = get_context()
    data = {
        "kind": kind,
        "label": label,
        "url": "/api/uploads",
        "token": context.tokens.grant(PURPOSE),
        "max_bytes": int(context.settings.upload_max_gb * 1e9),
    }
    result = _component()(key=key, data=data, on_result_change=lambda: None).result
    return dict(result) if result else None


def _component() -> Any:
    """Register the component once in each Streamlit runtime; there is none at import."""
    instance = runtime.get_instance()
    if instance not in _registered:
        html, css, js = (
            (_STATIC / f"uploader.{s}").read_text("utf-8") for s in ("html", "css", "js")
        )
        _registered[instance] = st.components.v2.component(
            "histospace.uploader", html=html, css=css, js=js
        )
    return _registered[instance]
