"""Signed links for the browser; they expire within a day."""

from histospace_core.catalog import RunRow
from histospace_core.figures.canvas import Canvas
from histospace_core.server.context import get_context

IMAGE_SIZES = (256, 512, 1024, 2048, 4096)  # few, for each is made once and kept


def slide_image_url(slide_id: str, max_px: int = 2048) -> str:
    """Return a link to a slide's overview as JPEG, for `<img>` or Plotly's `layout.images`.

    Its longer side is `max_px`, rounded up to one of `IMAGE_SIZES`, or less for a smaller slide.
    """
    size = next((s for s in IMAGE_SIZES if s >= max_px), IMAGE_SIZES[-1])
    return get_context().tokens.sign(f"/api/slides/{slide_id}/image.jpg", max=size)


def run_canvas(run: RunRow) -> Canvas:
    """Return the slide of a run as a canvas; it has no image if the slide was deleted."""
    slide = run.prediction_record.slide
    image = slide_image_url(run.slide_id) if run.slide_id else None
    return Canvas(slide.width, slide.height, slide.mpp, image)


def run_file_url(run_id: str, name: str) -> str:
    """Return a link to a run's `run.json`, or to a file in its folder `exports`."""
    return get_context().tokens.sign(f"/api/runs/{run_id}/files/{name}")
