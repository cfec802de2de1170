"""The commands that go on until they are ended: the app, and a worker for a scheduler elsewhere."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders.checkout import PROJECT
from builders.dask_processes import free_port, make_certificate, scheduler
from distributed import Client
from docs.commands import PAGES, commands

from histospace_core.jobs.cluster import scheduler_security
from histospace_core.settings import Settings

pytestmark = pytest.mark.slow
PATIENCE = 120  # s


@contextmanager
def running(*command: str, store: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process group of its own, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env={**os.environ, "HISTOSPACE_STORE": str(store), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


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
    tls = make_certificate(tmp_path)
    security = scheduler_security("tls://", Settings(**tls))
    with scheduler(tls) as address:
        command = [address if "://" in a else a for a in documented("worker")]
        environment = {f"HISTOSPACE_{name.upper()}": str(file) for name, file in tls.items()}
        with (
            running("histospace_core", *command, store=tmp_path, **environment) as worker,
            Client(address, security=security, timeout=PATIENCE) as client,
        ):
            client.wait_for_workers(1, timeout=PATIENCE)
            pid = client.submit(os.getpid).result(timeout=PATIENCE)
            assert pid not in (os.getpid(), worker.pid)


def test_a_worker_refuses_a_scheduler_elsewhere_without_tls(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "histospace_core", "worker", "tcp://scheduler:8786"],
        cwd=PROJECT,
        env={**os.environ, "HISTOSPACE_STORE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert "would be reached without encryption" in told.stderr
