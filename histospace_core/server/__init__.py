"""The HTTP routes beside the pages: uploads, tiles, downloads and signed links."""

from histospace_core.server.context import Context, close_context, get_context
from histospace_core.server.lifespan import lifespan
from histospace_core.server.links import run_file_url, slide_image_url
from histospace_core.server.routes import routes

__all__ = [
    "Context",
    "close_context",
    "get_context",
    "lifespan",
    "routes",
    "run_file_url",
    "slide_image_url",
]
