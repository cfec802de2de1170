"""Serve the app in a separate process, as a user does, for the benchmarks that drive it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from histospace_core.shipped import SHIPPED


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def start_app(store: Path, port: int, settle: float) -> subprocess.Popen[bytes]:
    """Start the app on a store; return `settle` seconds after it first answers.

    Its workers start in the background and use processor and memory meanwhile.
    """
    app = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
        cwd=SHIPPED,
        env={**os.environ, "HISTOSPACE_STORE": str(store)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        try:
            httpx.get(f"http://localhost:{port}/_stcore/health")
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    time.sleep(settle)
    return app
