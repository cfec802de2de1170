"""The documentation: it builds without a network, its links lead somewhere, its claims hold."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from builders.checkout import PROJECT

from histospace_core.settings import Settings

DOCS = PROJECT / "docs"


class _Links(HTMLParser):
    """Collects what a page loads by itself, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("script", "img", "iframe") and found.get("src"):
            self.loads.append(str(found["src"]))
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preconnect"):
            self.loads.append(str(found["href"]))
        if tag == "a" and found.get("href"):
            self.leads.append(str(found["href"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    # a proxy that does not answer: no network is needed
    dead = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **dead},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere_and_lead_somewhere(site: Path) -> None:
    pages = sorted(site.glob("*.html"))
    assert {"index.html", "commands.html", "api.html", "headline.html"} <= {p.name for p in pages}
    for page in pages:
        links = _Links()
        links.feed(page.read_text("utf-8"))
        outside = [link for link in links.loads if urlsplit(link).netloc]
        assert not outside, f"{page.name} loads from elsewhere"
        for link in [*links.loads, *links.leads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not parts.path or page.name == "404.html":
                continue
            assert (page.parent / unquote(parts.path)).exists(), f"{page.name}: {link}"


@pytest.mark.slow
def test_the_reference_names_every_command_and_function(site: Path) -> None:
    commands = (site / "commands.html").read_text("utf-8")
    for name in ("predict", "compare", "export", "train", "evaluate", "data sample", "doctor"):
        assert f"histospace {name}" in commands
    from histospace_core import api

    reference = (site / "api.html").read_text("utf-8")
    for name in set(api.__all__) - {"HistospaceError"}:
        assert re.search(rf"\b{name}\b", reference), name


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"(\w+\.md)", (PROJECT / "mkdocs.yml").read_text("utf-8")))
    assert listed == {page.name for page in DOCS.glob("*.md")} | {"commands.md"}


def test_errors_in_the_table_are_still_in_the_code() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "errors.md").read_text("utf-8"), re.MULTILINE)
    parts = [part for row in rows for part in re.findall(r"`([^`]+)`", row)]
    assert len(parts) >= 20
    sources = [p.read_text("utf-8") for p in (PROJECT / "histospace_core").rglob("*.py")]
    # a sentence that is broken over lines, or has a value in it, is one again
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))
    missing = [part for part in parts if part not in code]
    assert not missing


def test_every_setting_is_documented() -> None:
    text = (DOCS / "settings.md").read_text("utf-8")
    for name in Settings.model_fields:
        if name != "reference":  # tables of the program's own
            assert f"`HISTOSPACE_{name.upper()}`" in text, name


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_pictures_have_a_text_for_those_who_do_not_see(page: Path) -> None:
    for text, file in re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text("utf-8")):
        assert len(text) > 15, file
        assert (DOCS / file).is_file(), file
