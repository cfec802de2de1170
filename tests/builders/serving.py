"""A real server on a free port, with a store of its own."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette

from histospace_core.server import Context, close_context, get_context, routes
from histospace_core.server.upload_routes import PURPOSE, TOKEN_HEADER
from histospace_core.settings import get_settings


@dataclass
class Server:
    """A running server, and a client that a page of ours would be."""

    url: str
    client: httpx.Client
    context: Context

    @property
    def headers(self) -> dict[str, str]:
        return {TOKEN_HEADER: self.context.tokens.grant(PURPOSE)}

    def create(self, name: str, size: int, kind: str = "slide") -> httpx.Response:
        return self.client.post("/api/uploads", json={"name": name, "size": size, "kind": kind})

    def put(self, upload_id: str, offset: int, data: bytes) -> httpx.Response:
        headers = {"Upload-Offset": str(offset)}
        return self.client.put(f"/api/uploads/{upload_id}", content=data, headers=headers)

    def finish(self, upload_id: str) -> httpx.Response:
        return self.client.post(f"/api/uploads/{upload_id}/finish", timeout=120)

    def upload(self, name: str, data: bytes, kind: str = "slide") -> httpx.Response:
        """Send a whole file in pieces of a megabyte; the first refusal is returned."""
        created = self.create(name, len(data), kind)
        if created.status_code != 201:
            return created
        upload_id, piece = created.json()["id"], 1 << 20
        for start in range(0, len(data), piece):
            put = self.put(upload_id, start, data[start : start + piece])
            if put.status_code != 200:
                return put
        return self.finish(upload_id)

    def leftovers(self) -> list[Path]:
        """Files of uploads that are still in the store."""
        return [file for file in self.context.settings.uploads_dir.rglob("*") if file.is_file()]


@contextmanager
def serve(store: Path, **settings: object) -> Iterator[Server]:
    """Serve our routes on a store; `settings` are fields of Settings."""
    values = {"store": store, **settings}
    environment = {f"HISTOSPACE_{name.upper()}": str(value) for name, value in values.items()}
    before = dict(os.environ)
    os.environ.update(environment)
    get_settings.cache_clear()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = uvicorn.Config(
        Starlette(routes=routes()), port=port, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{port}"
        context = get_context()
        with httpx.Client(base_url=url) as client:
            running = Server(url, client, context)
            client.headers.update(running.headers)
            yield running
    finally:
        server.should_exit = True
        thread.join()
        close_context()
        os.environ.clear()
        os.environ.update(before)
        get_settings.cache_clear()
