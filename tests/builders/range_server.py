"""A file server on this machine that knows ranges, keeps a log, and fails where it is told to."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Request:
    """What a client asked for, and the status it got."""

    method: str
    path: str
    range: str | None
    if_range: str | None
    token: str | None
    status: int = 0
    sent: int = 0


@dataclass
class Files:
    """The files of one server and its faults, by path.

    Attributes
    ----------
    drop_after : bytes sent, once for each number, before the connection is cut.
    status : answered instead of the file.
    declared : a Content-Length that is not the file's.
    instead : contents sent in place of the file, once each.
    etags, heads : whether it gives ETags and answers HEAD.
    token : what `Authorization` must be.
    headers : sent along with a file.
    with_all : headers sent along with every file.
    """

    folder: Path
    address: str = ""
    log: list[Request] = field(default_factory=list)
    drop_after: dict[str, list[int]] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    declared: dict[str, int] = field(default_factory=dict)
    instead: dict[str, list[bytes]] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    with_all: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    etags: bool = True
    heads: bool = True

    def gets(self) -> list[Request]:
        """Return the downloads, without the questions."""
        return [request for request in self.log if request.method == "GET"]


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD from `files`."""

    files: Files
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *args: object) -> None:
        """Keep the log of the tests clean."""

    def _answer(self, *, body: bool) -> None:
        name, headers = unquote(urlsplit(self.path).path).lstrip("/"), self.headers
        files = self.files
        request = Request(
            self.command,
            name,
            headers.get("Range"),
            headers.get("If-Range"),
            headers.get("Authorization"),
        )
        files.log.append(request)
        path = files.folder / name
        status = files.status.get(name, 200 if path.is_file() else 404)
        if not (body or files.heads):
            status = 405
        if files.token is not None and request.token != files.token:
            status = 401
        if status != 200:
            self._send(request, status, b"", 0, {}, body=body)
            return
        instead = files.instead.get(name, [])
        content = instead.pop(0) if body and instead else path.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        extra = {"ETag": etag} if files.etags else {}
        extra |= {**files.with_all, **files.headers.get(name, {})}
        start = 0
        match = re.fullmatch(r"bytes=(\d+)-", request.range or "")
        if match and request.if_range in (None, etag):
            start = int(match.group(1))
            if start >= len(content):
                self._send(
                    request, 416, b"", 0, {"Content-Range": f"bytes */{len(content)}"}, body=body
                )
                return
            extra["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        size = files.declared.get(name, len(content) - start)
        self._send(request, 206 if start else 200, content[start:], size, extra, body=body)

    def _send(
        self,
        request: Request,
        status: int,
        content: bytes,
        size: int,
        headers: dict[str, str],
        *,
        body: bool,
    ) -> None:
        request.status = status
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(size)}.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        drops = self.files.drop_after.get(request.path, [])
        if drops:
            content = content[: drops.pop(0)]
            self.close_connection = True
        request.sent = len(content)
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """A client that hangs up is what some tests are about."""

    def handle_error(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Files]:
    """Serve a folder on a free port of this machine."""
    files = Files(folder)
    handler: Callable[..., BaseHTTPRequestHandler] = type("Bound", (Handler,), {"files": files})
    with Server(("127.0.0.1", 0), handler) as server:
        files.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield files
        finally:
            server.shutdown()
            thread.join()
