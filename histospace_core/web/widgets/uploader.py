"""The upload fields of the pages: files of any size go to our own route, never into memory."""

from typing import Any

from histospace_core.server.context import get_context
from histospace_core.server.upload_routes import PURPOSE
from histospace_core.web.widgets.components import component


def slide_uploader(key: str, label: str = "Slides") -> list[dict[str, Any]]:
    """Show the upload field for slides, several at a time.

    Returns
    -------
    One a file that has ended, until new ones are chosen: `{"name", "slide_id", "mpp"}` of the slide
    in the catalog where it was accepted, `{"name", "error"}` with a sentence where it was refused.
    """
    return _uploader(key, "slide", label, several=True)


def measured_uploader(
    key: str, label: str = "Measured spatial transcriptomics"
) -> dict[str, Any] | None:
    """Show the upload field for a file of measured expression.

    Returns
    -------
    None while nothing was uploaded; else `{"name", "measured_id"}`, of which
    `web.intake.measured_file` gives the path, or `{"name", "error"}`.
    """
    results = _uploader(key, "measured", label, several=False)
    return results[-1] if results else None


def _uploader(key: str, kind: str, label: str, *, several: bool) -> list[dict[str, Any]]:
    context = get_context()
    data = {
        "kind": kind,
        "label": label,
        "several": several,
        "url": "/api/uploads",
        "token": context.tokens.grant(PURPOSE),
        "max_bytes": context.settings.upload_max_bytes,
    }
    field = component("uploader/uploader", module="uploader/uploader.js")
    state = field(key=key, data=data, on_results_change=lambda: None)
    return [dict(result) for result in state.results or ()]
