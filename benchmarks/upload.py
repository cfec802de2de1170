"""Upload a slide of gigabytes to the real server; measure speed, memory and resuming.

    python -m benchmarks.upload [--gb 4] [--dir /tmp]

The app is served as a user serves it, and the file is sent in chunks like those of its page. At
half, the connection breaks in the middle of a chunk; at three quarters, the server is killed
(`kill -9`) and started again. Each time, the upload resumes at the offset that the server states.
At the end, the SHA-256 in the catalog is compared with the file's. The file is a real slide, made
longer by blocks of noise with holes between them. The file and the store, which is as large, are
deleted at the end.
"""

import argparse
import base64
import hashlib
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.make_slide import make_slide
from benchmarks.serving import free_port, start_app
from histospace_core.catalog import Catalog
from histospace_core.server import tus
from histospace_core.server.tokens import Tokens
from histospace_core.server.upload_routes import PURPOSE, TOKEN_HEADER

CHUNK = 8 << 20
BLOCK = 64 << 20


def make_file(path: Path, n_bytes: int) -> str:
    """Write the slide and return its SHA-256."""
    make_slide(path, 4096)
    rng = np.random.default_rng(0)
    with path.open("r+b") as file:
        for start in range(path.stat().st_size + BLOCK, n_bytes, BLOCK):
            file.seek(start)
            file.write(rng.bytes(1 << 20))
        file.truncate(n_bytes)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Server:
    """The app in a separate process, with its peak memory."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.app = start_app(self.store, self.port, settle=15)
        self.first = self.most = self.memory()
        self.watching = True
        threading.Thread(target=self._watch, daemon=True).start()

    def memory(self) -> int:
        return psutil.Process(self.app.pid).memory_info().rss

    def _watch(self) -> None:
        while self.watching:
            try:
                self.most = max(self.most, self.memory())
            except psutil.NoSuchProcess:
                return
            time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM) -> float:
        """Stop the app and return the largest growth of its memory, MB."""
        self.watching = False
        self.app.send_signal(how)
        self.app.wait()
        return (self.most - self.first) / 1e6


class Sender:
    """Sends one file as the page does: in chunks, each at the offset that the server states."""

    def __init__(self, server: Server, file: Path) -> None:
        token = Tokens(server.store).grant(PURPOSE)
        headers = {TOKEN_HEADER: token, "Tus-Resumable": tus.VERSION}
        self.client = httpx.Client(base_url=server.url, headers=headers, timeout=600)
        self.server, self.file, self.size = server, file, file.stat().st_size
        name = base64.b64encode(file.name.encode()).decode()
        metadata = f"filename {name},kind {base64.b64encode(b'slide').decode()}"
        about = {"Upload-Length": str(self.size), "Upload-Metadata": metadata}
        answer = self.client.post("/api/uploads", headers=about)
        self.path = answer.raise_for_status().headers["Location"]

    def offset(self) -> int:
        return int(self.client.head(self.path).raise_for_status().headers["Upload-Offset"])

    def send(self, until: int) -> None:
        offset = self.offset()
        with self.file.open("rb") as file:
            file.seek(offset)
            while offset < until:
                headers = {"Upload-Offset": str(offset), "Content-Type": tus.CHUNK_TYPE}
                answer = self.client.patch(self.path, content=file.read(CHUNK), headers=headers)
                offset = int(answer.raise_for_status().headers["Upload-Offset"])

    def break_off(self) -> None:
        """Announce a chunk and close the connection after a third of it."""
        offset = self.offset()
        headers = {
            **self.client.headers,
            "Content-Length": CHUNK,
            "Content-Type": tus.CHUNK_TYPE,
            "Upload-Offset": offset,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with self.file.open("rb") as file:
            file.seek(offset)
            part = file.read(CHUNK // 3)
        with socket.create_connection(("127.0.0.1", self.server.port)) as connection:
            connection.sendall(f"PATCH {self.path} HTTP/1.1\r\n{head}\r\n".encode() + part)
        for _ in range(50):  # the server may take a while to notice
            if self.offset() > offset:
                break
            time.sleep(0.2)
        print(f"broken at byte {offset + len(part):,}; the server has {self.offset():,}")

    def finish(self) -> str:
        answer = self.client.post(f"{self.path}/finish")
        answer.raise_for_status()
        return str(answer.json()["slide_id"])


def measure(folder: Path, n_bytes: int) -> None:
    file = folder / "large.tif"
    sha256 = make_file(file, n_bytes)
    server = Server(folder / "store")
    print(f"{n_bytes / 1e9:.2f} GB; the server starts with {server.first / 1e6:.0f} MB")
    sender = Sender(server, file)
    started = time.monotonic()
    sender.send(n_bytes // 2)
    pace = n_bytes / 2e6 / (time.monotonic() - started)
    sender.break_off()
    sender.send(n_bytes * 3 // 4)
    grown = server.stop(signal.SIGKILL)
    print(f"three quarters sent at {pace:.0f} MB/s; memory grew by {grown:.0f} MB; killed")
    server.start()
    print(f"restarted: the server has {sender.offset():,} bytes")
    sender.send(n_bytes)
    started = time.monotonic()
    slide_id = sender.finish()
    took = time.monotonic() - started
    grown = server.stop()
    print(f"checked and stored after {took:.1f} s; memory grew by {grown:.0f} MB (target < 100 MB)")
    catalog = Catalog(f"sqlite:///{server.store / 'catalog.db'}")
    same = catalog.slide(slide_id).sha256 == sha256
    catalog.close()
    print(f"SHA-256 {'equals' if same else 'DIFFERS FROM'} the file's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=4.0)
    parser.add_argument("--dir", type=Path, help="folder with space for twice the file")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.dir) as name:
        measure(Path(name), int(asked.gb * 1e9))


if __name__ == "__main__":
    main()
