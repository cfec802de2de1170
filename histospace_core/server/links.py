"""Links that a page may hand to the browser: signed, and dead after a day."""

from histospace_core.catalog import RunRow
from histospace_core.figures.canvas import Canvas
from histospace_core.server.context import get_context

IMAGE_SIZES = (256, 512, 1024, 2048, 4096)


def slide_image_url(slide_id: str, max_px: int = 2048) -> str:
    """Return the link of a slide's overview as JPEG, its longer side at most `max_px` px.

    The size is rounded up to one of `IMAGE_SIZES`. Fit for `<img>` and Plotly's `layout.images`.
    """
    size = next((s for s in IMAGE_SIZES if s >= max_px), IMAGE_SIZES[-1])
    return get_context().tokens.sign(f"/api/slides/{slide_id}/image.jpg", max=size)


def run_canvas(run: RunRow) -> Canvas:
    """Return the slide of a run, to draw on; without a picture where the slide is gone."""
    slide = run.provenance["slide"]
    image = slide_image_url(run.slide_id) if run.slide_id else None
    return Canvas(slide["width"], slide["height"], slide["mpp"], image)


def run_file_url(run_id: str, name: str) -> str:
    """Return the link of a run's `run.json`, or of a file in its folder `exports`."""
    return get_context().tokens.sign(f"/api/runs/{run_id}/files/{name}")
