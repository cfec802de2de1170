"""Export in the app: made by a worker, downloaded by a signed link, kept with the run."""

import json
from pathlib import Path

import pypdfium2
import pytest
from browser import steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def made(page, offer: str) -> Path:
    """Make a file and return it as the browser has downloaded it."""
    before = page.get_by_role("link", name="Download").count()
    page.get_by_role("radiogroup").get_by_text(offer, exact=True).click()
    page.get_by_role("button", name="Make the file").click()
    page.get_by_role("link", name="Download").nth(before).wait_for(timeout=steps.RUN_MS)
    with page.expect_download() as event:
        link = page.get_by_role("link", name="Download").first  # newest first
        link.evaluate("a => a.removeAttribute('target')")
        link.click()
    return Path(event.value.path())


def test_a_report_and_a_file_for_qupath_are_made_and_downloaded(page, sample_run):
    page.goto("/runs")
    card = page.get_by_test_id("stVerticalBlock").filter(has_text=sample_run[:8]).last
    card.get_by_role("link", name="Export").click()
    page.wait_for_url(f"**/export?run={sample_run}*")
    page.get_by_role("heading", name="Files of this run").wait_for()
    content = json.loads(made(page, "QuPath (GeoJSON)").read_text("utf-8"))
    assert content["features"][0]["properties"]["objectType"] == "detection"
    document = pypdfium2.PdfDocument(made(page, "Report (PDF)").read_bytes())
    text = document[0].get_textpage().get_text_bounded()
    document.close()
    assert "phantom" in text, "the name that its user knows"
    assert "Research use only" in text
    page.reload()
    downloads = page.get_by_role("link", name="Download")
    downloads.nth(1).wait_for()
    n = downloads.count()
    page.get_by_role("button", name="Delete").first.click()
    downloads.nth(n - 1).wait_for(state="detached")
