"""The wheel in an environment of its own, outside any checkout; working folder and HOME are empty.

What HistoSPACE depends on comes from the environment of the tests, since installing it anew takes
gigabytes. Python reads `.pth` files in its own site-packages only, not in a folder that such a
file names; so the editable install of this checkout, itself a `.pth` file, does not come along.
`test_nothing_of_the_checkout_can_be_imported` makes sure.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser.conftest import CHROMIUM, FLAGS, sync_api
from browser.test_pages import PAGES
from builders.checkout import PROJECT
from builders.dask_processes import free_port

pytestmark = pytest.mark.slow
LARGEST_MB = 40
"""PyPI refuses a file of more than 100 MB; most of the wheel is the weights of two models."""


@dataclass
class Installed:
    """An environment with the wheel in it."""

    wheel: Path
    programs: Path
    cwd: Path
    home: Path

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [self.programs / command[0], *command[1:]],
            cwd=self.cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("HISTOSPACE", "PYTHON"))}
        for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            ours.pop(name, None)
        return {**ours, "HOME": str(self.home), "COLUMNS": "200"}

    @property
    def store(self) -> Path:
        return self.home / ".local" / "share" / "histospace"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", PROJECT],
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "dist").glob("histospace-*.whl")
    assert list((folder / "dist").glob("histospace-*.tar.gz")), "the wheel is built from the sdist"
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "install"),
            *("--quiet", "--no-deps", "--no-index", wheel),
        ],
        check=True,
        cwd=folder,
    )
    cwd, home = folder / "cwd", folder / "home"
    cwd.mkdir()
    home.mkdir()
    return Installed(wheel, venv / "bin", cwd, home)


@pytest.fixture(scope="module")
def run_dir(installed: Installed) -> str:
    installed.run("histospace", "data", "sample", "--out", "sample")
    slide = "sample/phantom_section.ome.tif"
    model = "histospace-plus-her2st"
    installed.run("histospace", "predict", slide, "--model", model, "--out", "run")
    return "run"


def test_the_wheel_is_small_and_complete(installed: Installed) -> None:
    assert installed.wheel.stat().st_size < LARGEST_MB * 1e6
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    tracked = subprocess.run(
        [
            *("git", "ls-files", "histospace_core", "pages", "models", "data", ".streamlit"),
            *("app.py", "docs/scores.md", "docs/leaderboard.csv"),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    expected = {
        f if f.startswith("histospace_core/") else f"histospace_core/_shipped/{f}"
        for f in tracked
        if f != "data/genes/build.py" and (PROJECT / f).exists()
    }
    assert expected
    assert expected <= names
    assert {n for n in names if ".dist-info/" not in n} == expected, "and nothing else"


def test_nothing_of_the_checkout_can_be_imported(installed: Installed) -> None:
    code = (
        "import json, sys, importlib.util as u, histospace_core as h;"
        "print(json.dumps([h.__file__, sys.path, [bool(u.find_spec(n)) for n in"
        " ('pages', 'benchmarks', 'builders', 'app')]]))"
    )
    file, path, found = json.loads(installed.run("python", "-c", code))
    assert Path(file).is_relative_to(installed.programs.parent)
    assert str(PROJECT) not in path
    assert not any(found)


def test_models_are_listed(installed: Installed) -> None:
    listed = installed.run("histospace", "models")
    assert "histospace-plus-her2st" in listed
    assert "histospace-her2st" in listed


def test_the_store_lies_in_the_users_data_folder(installed: Installed) -> None:
    assert str(installed.store) in installed.run("histospace", "doctor").replace("\n", "")
    assert (installed.store / "catalog.db").exists()


def test_a_slide_is_predicted_and_reported(installed: Installed, run_dir: str) -> None:
    record = json.loads((installed.cwd / run_dir / "run.json").read_text("utf-8"))
    assert record["model"]["name"] == "histospace-plus-her2st"
    installed.run("histospace", "export", run_dir, "--to", "report", "--out", "report.html")
    assert "Research use only" in (installed.cwd / "report.html").read_text("utf-8")
    installed.run("histospace", "characterise", run_dir, "--out", "tissue")  # reads signatures
    counts, spots = "sample/phantom_counts.tsv.gz", "sample/phantom_spots.tsv"
    installed.run(
        *("histospace", "compare", run_dir, "--measured", counts, "--spots", spots),
        *("--out", "comparison"),  # reads the tables of gene names, in a child process
    )
    assert (installed.cwd / "comparison" / "genes.csv").exists()


@pytest.fixture(scope="module")
def url(installed: Installed) -> Iterator[str]:
    port = free_port()
    log = installed.home / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [installed.programs / "histospace", "serve", "--port", str(port)],
            cwd=installed.cwd,
            env=installed.environment,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health").close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(60)
    assert "Traceback" not in log.read_text()


def test_the_app_answers_with_its_viewer_and_its_configuration(url: str) -> None:
    with urllib.request.urlopen(f"{url}/_stcore/health") as answer:
        assert answer.read() == b"ok"
    with pytest.raises(urllib.error.HTTPError, match="40"):
        urllib.request.urlopen(f"{url}/api/assets/old/viewer/viewer.js")  # a route of ours


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt install chromium)")
def test_every_page_opens_in_the_theme(url: str) -> None:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(base_url=url, color_scheme="light")
        page.set_default_timeout(120_000)
        for path, title in PAGES.items():
            page.goto(path)
            page.get_by_role("heading", name=title, level=1).wait_for()
            assert "Traceback" not in page.inner_text("body")
        colour = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
        browser.close()
    configured = (PROJECT / ".streamlit" / "config.toml").read_text("utf-8")
    hexadecimal = re.search(r'\[theme.light\][^[]*backgroundColor = "#(\w{6})"', configured)
    assert hexadecimal
    red, green, blue = bytes.fromhex(hexadecimal[1])
    assert colour == f"rgb({red}, {green}, {blue})"
