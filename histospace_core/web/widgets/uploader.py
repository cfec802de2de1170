"""Upload fields: files of any size are streamed to a server route, never held in memory."""

from typing import Any

from histospace_core.server.context import get_context
from histospace_core.server.upload_routes import PURPOSE
from histospace_core.web.widgets.components import component

SLIDE_FORMATS = "SVS, NDPI, OME-TIFF, TIFF, PNG or JPEG; DICOM, MIRAX or OME-Zarr in a zip"


def slide_uploader(key: str, label: str = "Slides") -> list[dict[str, Any]]:
    """Show the upload field for slides, several at a time.

    Returns
    -------
    One entry per finished upload, until new files are chosen: `{"name", "slide_id", "mpp"}` of the
    slide in the catalog, `{"name", "upload_id"}` if the file holds several images, or
    `{"name", "error"}` with a sentence if the file was refused.
    """
    return _uploader(key, "slide", label, several=True)


def measured_uploader(
    key: str, label: str = "Measured spatial transcriptomics"
) -> dict[str, Any] | None:
    """Show the upload field for a file of measured expression.

    Returns
    -------
    None until a file is uploaded; then `{"name", "measured_id"}`, for which
    `server.measured_files.measured_file` returns the path, or `{"name", "error"}`.
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
    # without a callback, Streamlit returns no `results`
    state = field(key=key, data=data, on_results_change=lambda: None)
    return [dict(result) for result in state.results or ()]
