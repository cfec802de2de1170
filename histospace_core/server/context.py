"""The objects that all pages and routes of this process share."""

import threading
from dataclasses import dataclass

from histospace_core.catalog import Catalog
from histospace_core.jobs import Jobs
from histospace_core.server.tiles import TileCache
from histospace_core.server.tokens import Tokens
from histospace_core.server.uploads import UploadStore
from histospace_core.settings import Settings, get_settings


@dataclass(frozen=True)
class Context:
    """Settings, catalog, jobs, uploads, tokens and tiles of a running app."""

    settings: Settings
    catalog: Catalog
    jobs: Jobs
    uploads: UploadStore
    tokens: Tokens
    tiles: TileCache


_lock = threading.Lock()  # pages run in threads, and two contexts would start two sets of workers
_context: Context | None = None


def get_context() -> Context:
    """Return the context of this process; the first call migrates the catalog and recovers runs.

    Raises
    ------
    StoreError
        The store or the catalog cannot be used. Pages show the message.
    """
    global _context
    with _lock:
        if _context is None:
            settings = get_settings()
            catalog = Catalog(settings.catalog_url)
            catalog.migrate()
            jobs = Jobs(settings, catalog)
            jobs.recover()
            uploads = UploadStore(settings, catalog)
            tokens = Tokens(settings.store)
            _context = Context(settings, catalog, jobs, uploads, tokens, TileCache(catalog))
        return _context


def close_context() -> None:
    """Stop the worker processes and close the catalog."""
    global _context
    with _lock:
        if _context is not None:
            _context.tiles.close()
            _context.jobs.close()  # before the catalog, in which it marks runs as interrupted
            _context.catalog.close()
            _context = None
