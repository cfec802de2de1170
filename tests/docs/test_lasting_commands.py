"""The commands that go on until they are ended: the app, and a worker for a scheduler elsewhere."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from distributed import Client
from docs.commands import PAGES, commands

from histospace_core.settings import PROJECT

pytestmark = pytest.mark.slow
PATIENCE = 120  # s


@contextmanager
def running(*command: str, store: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process group of its own, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env={**os.environ, "HISTOSPACE_STORE": str(store)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def documented(name: str) -> list[str]:
    """The first command of that name in the documentation."""
    return next(a for page in PAGES for _, a in commands(page) if name in a)


def test_the_app_is_served(tmp_path: Path) -> None:
    assert documented("serve")
    port = free_port()
    with running("histospace_core", "serve", "--port", str(port), store=tmp_path) as process:
        for _ in range(10 * PATIENCE):
            assert process.poll() is None
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health") as answer:
                    assert answer.read() == b"ok"
                    return
            except OSError:
                time.sleep(0.1)
    pytest.fail("the app did not answer")


def test_a_worker_works_for_a_scheduler(tmp_path: Path) -> None:
    port = free_port()
    scheduler = f"tcp://127.0.0.1:{port}"
    command = [scheduler if "://" in a else a for a in documented("worker")]
    start = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port))
    with (
        running(*start, "--no-dashboard", store=tmp_path),
        running("histospace_core", *command, store=tmp_path) as worker,
        Client(scheduler, timeout=PATIENCE) as client,
    ):
        client.wait_for_workers(1, timeout=PATIENCE)
        assert client.submit(os.getpid).result(timeout=PATIENCE) not in (os.getpid(), worker.pid)
