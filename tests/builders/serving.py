"""A real server on a free port, with a store of its own."""

import base64
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette

from histospace_core.server import Context, close_context, get_context, routes, tus
from histospace_core.server.upload_routes import PURPOSE, TOKEN_HEADER
from histospace_core.settings import get_settings

UPLOADS = "/api/uploads"


@dataclass
class Server:
    """A running server, and a client with the token that our pages have."""

    url: str
    client: httpx.Client
    context: Context

    @property
    def headers(self) -> dict[str, str]:
        return {TOKEN_HEADER: self.context.tokens.grant(PURPOSE), "Tus-Resumable": tus.VERSION}

    def create(self, name: str, size: int, kind: str = "slide") -> httpx.Response:
        headers = {"Upload-Length": str(size), "Upload-Metadata": metadata(name, kind)}
        return self.client.post(UPLOADS, headers=headers)

    def begin(self, name: str, size: int, kind: str = "measured") -> str:
        """Begin an upload and return its address."""
        created = self.create(name, size, kind)
        assert created.status_code == 201, created.text
        return created.headers["Location"]

    def patch(self, upload: str, offset: int, data: bytes | Iterable[bytes]) -> httpx.Response:
        headers = {"Upload-Offset": str(offset), "Content-Type": tus.CHUNK_TYPE}
        return self.client.patch(upload, content=data, headers=headers)

    def offset(self, upload: str) -> int:
        return int(self.client.head(upload).raise_for_status().headers["Upload-Offset"])

    def finish(self, upload: str) -> httpx.Response:
        return self.client.post(f"{upload}/finish", timeout=120)

    def upload(self, name: str, data: bytes, kind: str = "slide") -> httpx.Response:
        """Send a whole file in chunks of a megabyte; the first refusal is returned."""
        created = self.create(name, len(data), kind)
        if created.status_code != 201:
            return created
        upload, chunk = created.headers["Location"], 1 << 20
        for start in range(0, len(data), chunk):
            patched = self.patch(upload, start, data[start : start + chunk])
            if patched.status_code != 204:
                return patched
        return self.finish(upload)

    def leftovers(self) -> list[Path]:
        """Files of uploads that are still in the store."""
        return [file for file in self.context.settings.uploads_dir.rglob("*") if file.is_file()]


def metadata(name: str, kind: str) -> str:
    """Return an upload's metadata as the header carries them."""
    values = {"filename": name, "kind": kind}
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in values.items())


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
