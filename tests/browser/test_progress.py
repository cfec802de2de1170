"""A run under way: it survives a reload, and can be cancelled and resumed."""

import re

import pytest
from browser import steps

from histospace_core.catalog import Catalog

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def start_long_run(page, slide_id: str, stride_um: float) -> str:
    """Predict a slide with so fine a step that the run is still under way when it is cancelled."""
    page.goto(f"/predict?slide={slide_id}")
    page.get_by_text("Advanced").click()
    step = page.get_by_label(re.compile("^Stride"))
    step.fill(str(stride_um))
    step.press("Enter")
    page.get_by_text(re.compile(r"^\d{3},\d{3}$")).wait_for()  # the number of tiles has followed
    return steps.run(page, wait=False)


def tiles_done(page) -> int:
    text = page.get_by_text(re.compile(r"[\d,]+ of [\d,]+ tiles"))
    text.wait_for(timeout=240_000)
    return int(re.search(r"([\d,]+) of", text.inner_text())[1].replace(",", ""))


def catalog(app) -> Catalog:
    return Catalog(f"sqlite:///{(app.store / 'catalog.db').as_posix()}")


def test_progress_survives_a_reload_and_cancel_works(app, page, sample_run):
    run_id = start_long_run(page, catalog(app).run(sample_run).slide_id, 5.0)
    before = tiles_done(page)
    page.reload()
    assert tiles_done(page) >= before
    page.goto("/runs")
    page.get_by_text("running").first.wait_for()
    page.goto(f"/predict?run={run_id}")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("This run was cancelled").wait_for(timeout=240_000)
    assert catalog(app).run(run_id).state == "cancelled"
    assert page.get_by_role("button", name="Resume").is_visible()
    assert not (app.store / "runs" / run_id / "prediction.zarr").exists()

    page.get_by_role("button", name="Resume").click()
    page.get_by_text("This run was cancelled").wait_for(state="detached")
    assert tiles_done(page) >= 0
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("This run was cancelled").wait_for(timeout=240_000)
    assert catalog(app).run(run_id).state == "cancelled"

    page.goto("/runs")
    card = page.get_by_test_id("stVerticalBlock").filter(has_text=run_id[:8]).last
    card.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the run").click()
    page.get_by_text(f"run {run_id[:8]}").wait_for(state="detached")
    assert run_id not in [run.id for run in catalog(app).runs()]
