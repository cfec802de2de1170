"""The upload field of the pages: a file of any size goes to our own route, never into memory."""

from typing import Any

from histospace_core.web.components import component
from histospace_core.web.context import get_context
from histospace_core.web.upload_routes import PURPOSE


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
    result = component("uploader")(key=key, data=data, on_result_change=lambda: None).result
    return dict(result) if result else None
