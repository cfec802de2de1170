"""Start and stop the app."""

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from histospace_core.errors import HistospaceError
from histospace_core.server.context import Context, close_context, get_context
from histospace_core.server.uploads import KEEP_S

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[dict[str, Any]]:
    """Start the workers and the hourly clean-up with the app, and stop them with it.

    The app starts even if the store cannot be used: its pages then say what is wrong.
    """
    disable_nagle()
    try:
        context = await asyncio.to_thread(get_context)
    except HistospaceError:
        _log.exception("The store cannot be used")
        yield {}
        return
    threading.Thread(target=_prepare, args=(context,), name="prepare", daemon=True).start()
    tidying = asyncio.create_task(_tidy_hourly(context))
    try:
        yield {"context": context}
    finally:
        tidying.cancel()
        await asyncio.to_thread(close_context)


def disable_nagle() -> None:
    """Turn Nagle's algorithm off for all connections of this process.

    Streamlit opens its port in a way that asyncio does not recognise as TCP, so asyncio leaves the
    algorithm on. An answer in two packets, as all are, then waits 40 ms for the browser to
    acknowledge the first. Connections inherit the option from the listening socket.
    """
    for port in psutil.Process().net_connections("tcp"):
        if port.status == psutil.CONN_LISTEN and port.fd >= 0:
            # Closing a copy leaves the app's port open.
            with socket.socket(fileno=os.dup(port.fd)) as listening:
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def preload() -> None:
    """Load what the first gene map needs, so that its user does not wait for it."""
    from histospace_core.expression.genes import SPECIES, load_gene_table
    from histospace_core.figures.colours import SCALES, colour_table

    for species in SPECIES:
        load_gene_table(species)
    for scale in SCALES:
        colour_table(scale)


def _prepare(context: Context) -> None:
    for step in (context.jobs.start, preload, partial(register_models, context)):
        try:
            step()
        except HistospaceError:
            _log.exception("A start-up step failed; the pages that need it say so")
    # Streamlit collects garbage after each run of a page; frozen objects are not scanned again.
    gc.collect()
    gc.freeze()


def register_models(context: Context) -> None:
    """Register the shipped and the locally trained models; forget those that were removed."""
    from histospace_core.networks import list_packages  # loads torch: seconds, in the background

    for package in list_packages([context.settings.models, context.settings.trained_dir]):
        context.catalog.register(package)
    for model in context.catalog.models():
        if not Path(model.folder).is_dir():
            context.catalog.forget_model(model.name)


async def _tidy_hourly(context: Context) -> None:
    while True:
        try:
            await asyncio.to_thread(tidy, context)
        except (OSError, HistospaceError):
            _log.exception("The clean-up failed; the next one is in an hour")
        await asyncio.sleep(3600)


def tidy(context: Context, keep_s: float = KEEP_S) -> None:
    """Delete expired uploads, and measured expression that no slide has used for a day."""
    context.uploads.delete_expired(keep_s)
    kept = {
        Path(path).parent.name
        for slide in context.catalog.slides()
        for path in (slide.counts_path, slide.spots_path)
        if path
    }
    for folder in (context.settings.store / "measured").glob("*"):
        if folder.name not in kept and time.time() - folder.stat().st_mtime > keep_s:
            shutil.rmtree(folder, ignore_errors=True)
