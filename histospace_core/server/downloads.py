"""Serve slide overviews and exported files to anyone with a signed link."""

import asyncio
import re
from pathlib import Path

from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from histospace_core.catalog import SlideRow
from histospace_core.errors import HistospaceError
from histospace_core.files import atomic_write
from histospace_core.server.context import Context, get_context
from histospace_core.settings import Settings
from histospace_core.slides.open import open_slide

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_one_at_a_time = asyncio.Semaphore(1)  # making an overview can need much memory


def _require_signature(request: Request) -> Context:
    """Return the context if we signed the link; answer 404 otherwise."""
    context = get_context()
    # 404, not 403: the answer does not tell which ids exist.
    if not context.tokens.verify(request.url.path, request.query_params):
        raise HTTPException(404)
    return context


async def slide_image(request: Request) -> Response:
    """Serve a slide's overview as JPEG; it is made once and kept in the slide's folder."""
    context = _require_signature(request)
    max_px = int(request.query_params["max"])  # signed, so it is one of IMAGE_SIZES
    try:
        slide = await asyncio.to_thread(context.catalog.slide, request.path_params["slide_id"])
        etag = f'"{slide.sha256[:16]}-{max_px}"'
        headers = {"ETag": etag, "Cache-Control": "private, max-age=86400"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        async with _one_at_a_time:
            file = await asyncio.to_thread(overview_file, context.settings, slide, max_px)
    except HistospaceError as error:
        raise HTTPException(404) from error
    return FileResponse(file, media_type="image/jpeg", headers=headers)


def overview_file(settings: Settings, slide: SlideRow, max_px: int) -> Path:
    """Return the JPEG file of a slide's overview, at most `max_px` px on its longer side."""
    file = settings.slides_dir / slide.id / f"overview-{max_px}.jpg"
    if not file.exists():
        with open_slide(slide.file, slide.mpp_by_user, series=slide.series) as opened:
            image = Image.fromarray(opened.thumbnail(max_px))
        # Not flushed: it can be made again, and a user waits for it.
        with atomic_write(file, durable=False) as part:
            image.save(part, format="JPEG", quality=88)
    return file


async def run_file(request: Request) -> Response:
    """Serve `run.json`, or a file from the run's folder `exports`, as a download."""
    context = _require_signature(request)
    name = request.path_params["name"]
    try:
        run = await asyncio.to_thread(context.catalog.run, request.path_params["run_id"])
    except HistospaceError as error:
        raise HTTPException(404) from error
    file = run.directory / name if name == "run.json" else run.directory / "exports" / name
    # A link could lead out of the run's folder.
    if not _NAME.match(name) or file.is_symlink() or not file.is_file():
        raise HTTPException(404)
    # `nosniff`: a browser must not run an export as a web page.
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}
    return FileResponse(file, filename=name, headers=headers)
