"""The real app in a process of its own, driven by a real chromium."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import steps
from builders.checkout import PROJECT
from builders.packages import make_package

from benchmarks.make_slide import make_slide

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is missing")
CHROMIUM = shutil.which("chromium")
SECTION = "her2st/ST-imgs/C/C5/5714_HE_BT_E1.jpg"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class App:
    """A running app, and the folder of its store."""

    url: str
    store: Path

    @property
    def import_dir(self) -> Path:
        """The operator's import folder; made by the test that uses it."""
        return self.store.parent / "import"


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One app for most tests."""
    with serve(tmp_path_factory.mktemp("app")) as served:
        yield served


@pytest.fixture
def app_of_its_own(tmp_path: Path) -> Iterator[App]:
    """An app in which no other test, and no earlier attempt, has left anything."""
    with serve(tmp_path) as served:
        yield served


@contextmanager
def serve(folder: Path) -> Iterator[App]:
    """Serve the app as a user does, with an empty store and the shipped model, if it is there."""
    models = PROJECT / "models"
    if not (models / "histospace-plus-her2st" / "config.json").exists():
        models = folder / "models"
        make_package(models)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
            cwd=PROJECT,
            env={
                **os.environ,
                "HISTOSPACE_STORE": str(folder / "store"),
                "HISTOSPACE_MODELS": str(models),
                "HISTOSPACE_IMPORT_DIR": str(folder / "import"),
                "HISTOSPACE_HER2ST_URL": "http://127.0.0.1:9",  # no network for this app
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(f"http://localhost:{port}/_stcore/health", folder / "log")
        yield App(f"http://localhost:{port}", folder / "store")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert "Traceback" not in (folder / "log").read_text()


def _wait_for(url: str, log: Path) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the app did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def chromium() -> Iterator["sync_api.Browser"]:
    """One browser for all tests."""
    if CHROMIUM is None:
        pytest.skip("no chromium (apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(app: App, chromium: "sync_api.Browser") -> Iterator["sync_api.Page"]:
    """A fresh visitor. Script errors, and requests to any other machine, fail the test."""
    context = chromium.new_context(base_url=app.url, viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(120_000)
    errors: list[str] = []
    outside: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda request: (
            outside.append(request.url)
            if urlsplit(request.url).hostname not in ("localhost", None)
            else None
        ),
    )
    yield page
    context.close()
    assert not errors
    assert not outside, "no pixel and no request leaves the machine"


@pytest.fixture(scope="session")
def sample_run(app: App, chromium: "sync_api.Browser") -> str:
    """The sample, predicted through the pages once for all tests that need a finished run."""
    with _visitor(app, chromium) as page:
        return steps.predict_sample(page)


@pytest.fixture(scope="session")
def large_run(
    app: App, chromium: "sync_api.Browser", tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A slide of 61,440 px a side, uploaded and predicted through the pages."""
    file = tmp_path_factory.mktemp("large") / "large.tif"
    make_slide(file, 61_440, mpp=0.5, tissue=0.012, seed=4)  # one piece, in the middle of its box
    with _visitor(app, chromium) as page:
        page.goto("/slides")
        steps.upload(page, "Upload H&E slides", file)
        page.get_by_text(steps.ARRIVED).wait_for()
        file.unlink()
        return steps.predict_new(page)


@pytest.fixture(scope="session")
def section_run(app: App, chromium: "sync_api.Browser", shared: Path) -> str:
    """A real section, uploaded and predicted through the pages."""
    with _visitor(app, chromium) as page:
        page.goto("/slides")
        steps.upload(page, "Upload H&E slides", shared / SECTION)
        page.get_by_text(steps.ARRIVED).wait_for()
        assert steps.pixel_size(page).input_value() == "", "never a guess"
        steps.state_pixel_size(page, 0.69)
        page.get_by_text("0.69 µm per px, entered by you").wait_for()
        return steps.predict_new(page)


@pytest.fixture(params=[pytest.param("section", marks=pytest.mark.shared), "large"])
def any_run(request: pytest.FixtureRequest) -> str:
    """A run of a real section, and one of a slide of 61,440 px a side."""
    return str(request.getfixturevalue(f"{request.param}_run"))


@contextmanager
def _visitor(app: App, chromium: "sync_api.Browser") -> Iterator["sync_api.Page"]:
    context = chromium.new_context(base_url=app.url)
    page = context.new_page()
    page.set_default_timeout(120_000)
    yield page
    context.close()
