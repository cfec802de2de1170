"""The upload field in a real browser."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.slide_files import make_slide

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is missing")
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no chromium (apt install chromium)"),
]

APP = """
import streamlit as st
from histospace_core.server import lifespan, routes
app = st.App("page.py", routes=routes(), lifespan=lifespan)
"""
PAGE = """
import streamlit as st
from histospace_core.web.widgets.uploader import measured_uploader, slide_uploader
st.text(f"slide: {slide_uploader('slide', 'Slide')}")
st.text(f"measured: {measured_uploader('measured')}")
st.button("Run again")
"""


class App:
    """A small Streamlit app with the upload fields, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "app.py").write_text(APP)
        (folder / "page.py").write_text(PAGE)
        self.folder, self.store = folder, folder / "store"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        self.url = f"http://localhost:{self.port}"

    def start(self) -> None:
        options = f"--server.port={self.port} --server.headless=true --server.fileWatcherType=none"
        root = Path(__file__).resolve().parents[3]
        environment = {"HISTOSPACE_STORE": str(self.store), "PYTHONPATH": str(root)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *options.split()],
            cwd=self.folder,
            env={**os.environ, **environment, "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        pytest.fail("the app did not start")

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=20)

    def files(self, pattern: str) -> list[Path]:
        return list(self.store.glob(pattern))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("app"))
    app.start()
    yield app
    app.stop()


@pytest.fixture
def page(app: App) -> Iterator["sync_api.Page"]:
    for folder in ("uploads", "measured"):
        shutil.rmtree(app.store / folder, ignore_errors=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page()
        page.goto(app.url)
        page.locator(".uploader").nth(1).wait_for(timeout=20_000)
        yield page
        browser.close()


def field(page: "sync_api.Page", label: str) -> "sync_api.Locator":
    return page.locator(".uploader").filter(has_text=label)


def slow_down(page: "sync_api.Page", bytes_per_s: float) -> None:
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": bytes_per_s,
        },
    )


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def patched_offsets(page: "sync_api.Page") -> list[int]:
    """Return a list that fills with the offsets of the chunks that the page sends."""
    offsets: list[int] = []

    def note(request: "sync_api.Request") -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return offsets


def leave_half_way(page: "sync_api.Page", label: str, file: Path, at_least: int) -> None:
    """Reload the page when `at_least` percent of the file are sent."""
    field(page, label).locator("input").set_input_files(file)
    wait_until(lambda: percent(field(page, label)) >= at_least)
    page.reload()


def percent(uploader: "sync_api.Locator") -> int:
    return int(uploader.get_by_role("progressbar").get_attribute("aria-valuenow") or 0)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    file = tmp_path / "C5.tsv.gz"
    file.write_bytes(os.urandom(40_000_000))
    return file


def same(stored: Path, sent: Path) -> bool:
    both = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (stored, sent)]
    return both[0] == both[1]


@pytest.mark.shared
def test_a_real_slide_is_uploaded(app: App, page: "sync_api.Page", shared: Path) -> None:
    slide = shared / "slides" / "CMU-1-Small-Region.svs"
    field(page, "Slide").locator("input").set_input_files(slide)
    page.get_by_text("'slide_id': ").wait_for(timeout=30_000)
    assert field(page, "Slide").get_by_role("status").text_content() == f"{slide.name} is uploaded."
    page.get_by_role("button", name="Run again").click()
    page.get_by_text("'mpp': 0.499").wait_for()
    (stored,) = app.files("slides/*/slide.svs")
    assert same(stored, slide)
    assert app.files("uploads/*") == []


def test_what_is_no_slide_is_refused_in_words(page: "sync_api.Page", tmp_path: Path) -> None:
    text = tmp_path / "notes &amp; more.svs"
    text.write_text("no slide at all")
    field(page, "Slide").locator("input").set_input_files(text)
    page.get_by_text("'error': ").wait_for()
    said = field(page, "Slide").get_by_role("status").text_content()
    assert "notes &amp; more.svs" in said


def test_an_upload_survives_the_death_of_the_server(
    app: App, page: "sync_api.Page", big: Path
) -> None:
    uploader = field(page, "Measured")
    slow_down(page, 8_000_000)
    uploader.locator("input").set_input_files(big)
    wait_until(lambda: percent(uploader) >= 25)
    app.stop(signal.SIGKILL)
    page.get_by_text("Connection lost, trying again…").wait_for()
    (part,) = app.files("uploads/*/part")
    assert 0 < part.stat().st_size < 40_000_000
    kept, offsets = part.stat().st_size, patched_offsets(page)
    app.start()
    page.get_by_text("'measured_id': ").wait_for(timeout=40_000)
    assert offsets[0] == kept, "nothing that had arrived was sent again"
    (stored,) = app.files("measured/*/measured.tsv.gz")
    assert same(stored, big)
    assert app.files("uploads/*") == []


def test_the_same_file_goes_on_after_the_page_was_left(
    app: App, page: "sync_api.Page", big: Path
) -> None:
    slow_down(page, 8_000_000)
    leave_half_way(page, "Measured", big, at_least=45)
    (part,) = app.files("uploads/*/part")
    offset = part.stat().st_size
    assert offset > 8_000_000
    field(page, "Measured").locator("input").set_input_files(big)
    wait_until(lambda: percent(field(page, "Measured")) > 0)
    assert app.files("uploads/*/part") == [part]  # the same upload, not a second one
    page.get_by_text("'measured_id': ").wait_for(timeout=40_000)
    (stored,) = app.files("measured/*/measured.tsv.gz")
    assert same(stored, big)


def test_an_upload_is_paused_and_goes_on(app: App, page: "sync_api.Page", big: Path) -> None:
    slow_down(page, 20_000_000)
    uploader = field(page, "Measured")
    uploader.locator("input").set_input_files(big)
    wait_until(lambda: percent(uploader) >= 25)
    assert re.search(r"% of 40\.0 MB, .*/s, .* left", uploader.locator(".figures").inner_text())
    uploader.get_by_role("button", name="Pause: C5.tsv.gz").click()
    page.get_by_text("C5.tsv.gz is paused.").wait_for()
    (part,) = app.files("uploads/*/part")
    uploader.get_by_role("button", name="Resume: C5.tsv.gz").click()
    page.get_by_text("'measured_id': ").wait_for(timeout=40_000)
    assert not part.exists()
    (stored,) = app.files("measured/*/measured.tsv.gz")
    assert same(stored, big)


def test_several_slides_at_once(app: App, page: "sync_api.Page", tmp_path: Path) -> None:
    files = [make_slide(tmp_path / f"{seed}.png", side=600, seed=seed) for seed in (1, 2)]
    (tmp_path / "notes.svs").write_text("no slide at all")
    field(page, "Slide").locator("input").set_input_files([*files, tmp_path / "notes.svs"])
    text = page.get_by_text("'error': ")
    text.wait_for(timeout=60_000)
    assert text.inner_text().count("'slide_id': ") == 2
    stored = {file.read_bytes() for file in app.files("slides/*/slide.png")}
    assert {file.read_bytes() for file in files} <= stored


def test_what_was_begun_is_listed_after_a_reload(
    app: App, page: "sync_api.Page", big: Path
) -> None:
    slow_down(page, 20_000_000)
    leave_half_way(page, "Slide", big, at_least=25)
    field(page, "Slide").get_by_text("uploaded: choose this file again").wait_for()
    assert percent(field(page, "Slide")) >= 20
    field(page, "Slide").get_by_role("button", name="Discard: C5.tsv.gz").click()
    wait_until(lambda: app.files("uploads/*") == [])
    assert field(page, "Slide").get_by_role("progressbar").count() == 0


def test_cancel_by_keyboard(app: App, page: "sync_api.Page", big: Path) -> None:
    uploader = field(page, "Measured")
    slow_down(page, 4_000_000)
    uploader.locator("input").set_input_files(big)
    cancel = uploader.get_by_role("button", name="Cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Upload cancelled.").wait_for()
    wait_until(lambda: app.files("uploads/*") == [])
    choose = uploader.get_by_role("button", name="Measured spatial transcriptomics: choose a file")
    assert choose.is_enabled()


def test_a_file_is_dropped(app: App, page: "sync_api.Page") -> None:
    drop = field(page, "Measured").locator(".drop")
    transfer = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(['gene'], 'a.tsv'));
            return transfer;
        }"""
    )
    drop.dispatch_event("drop", {"dataTransfer": transfer})
    page.get_by_text("'name': 'a.tsv'").wait_for()
    (stored,) = app.files("measured/*/measured.tsv")
    assert stored.read_text() == "gene"
