"""The web side: routes beside the pages on one port, uploads, signed links, the page's context."""

from histospace_core.web.context import Context, close_context, get_context
from histospace_core.web.lifespan import lifespan
from histospace_core.web.links import run_file_url, slide_image_url
from histospace_core.web.routes import routes
from histospace_core.web.uploader import measured_uploader, slide_uploader

__all__ = [
    "Context",
    "close_context",
    "get_context",
    "lifespan",
    "measured_uploader",
    "routes",
    "run_file_url",
    "slide_image_url",
    "slide_uploader",
]
