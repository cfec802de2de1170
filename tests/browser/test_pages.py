"""Every page, wide and narrow: it fits, says what it is for, and opens by its link."""

import pytest
from browser import steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = {
    "/": "From an H&E slide",
    "/slides": "Slides",
    "/predict": "Predict",
    "/batch": "Predict several slides",
    "/gene_map": "Gene map",
    "/compare": "Compare",
    "/characterise": "Characterise",
    "/export": "Export",
    "/runs": "Runs",
    "/two_runs": "Two runs of one slide",
    "/models": "Models",
    "/train": "Train",
    "/scores": "Evaluation",
    "/about_scores": "How the scores are made, and how they mislead",
}


def settled(page, path: str, title: str) -> None:
    page.goto(path)
    page.get_by_role("heading", name=title, level=1).wait_for()
    steps.at_rest(page)


@pytest.mark.parametrize("width", [1280, 480])
def test_every_page_fits_and_says_research_use_only(page, sample_run, width):
    page.set_viewport_size({"width": width, "height": 900})
    for path, title in PAGES.items():
        settled(page, path, title)
        assert page.get_by_text("Research use only. Not for diagnosis.").first.is_visible()
        assert "Traceback" not in page.inner_text("body")
        room = page.get_by_test_id("stMain")
        wide, visible = room.evaluate("el => [el.scrollWidth, el.clientWidth]")
        assert wide <= visible, f"{path} scrolls sideways"
        for chart in page.locator(".js-plotly-plot").all():
            box = chart.bounding_box()
            assert box is None or box["x"] + box["width"] <= width


def test_pictures_and_charts_have_a_text_for_those_who_do_not_see(page, sample_run):
    for path in ("/slides", "/predict", "/gene_map", "/compare"):
        settled(page, path, PAGES[path])
        for picture in page.get_by_test_id("stMain").locator("img").all():
            assert picture.get_attribute("alt"), path
    settled(page, f"/gene_map?run={sample_run}", "Gene map")
    page.locator("[role=application][aria-label^='Predicted']").wait_for()


def test_a_link_opens_run_and_gene(page, sample_run):
    page.goto(f"/gene_map?run={sample_run}&gene=COL1A1")
    steps.shown(page, "COL1A1")
    page.get_by_text("COL1A1 on held-out sections").wait_for()
    assert steps.parameter(page, "gene") == "COL1A1"


def test_runs_are_found_by_text_and_opened(page, sample_run):
    settled(page, "/runs", "Runs")
    find = page.get_by_label("Find")
    find.fill("no such slide")
    find.press("Enter")
    page.get_by_text("0 runs").wait_for()
    find.fill("phantom")
    find.press("Enter")
    card = page.get_by_test_id("stVerticalBlock").filter(has_text=sample_run[:8]).last
    card.get_by_role("link", name="Gene map").click()
    page.wait_for_url(f"**/gene_map?run={sample_run}*")


def test_a_score_leads_to_how_it_is_made(page, sample_run):
    page.goto(f"/gene_map?run={sample_run}&gene=ERBB2")
    score = page.get_by_test_id("stMetric").filter(has_text="Held-out r")
    score.get_by_role("button").hover()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="How the scores are made").click()
    opened.value.get_by_role("heading", name="How the scores are made", level=1).wait_for()


def test_pages_are_left_and_come_back_to_by_the_menu(page, sample_run, large_run):
    page.goto(f"/gene_map?run={sample_run}&gene=ERBB2&with=VIM")
    steps.shown(page, "VIM", 1)
    menu = page.get_by_test_id("stTopNavLink")
    for other in ("Compare", "Runs", "Export"):
        menu.filter(has_text=other).click()
        page.get_by_role("heading", name=other, level=1).wait_for()
        steps.at_rest(page)
        menu.filter(has_text="Gene map").click()
        page.wait_for_url("**/gene_map?*")
        steps.shown(page, "ERBB2")
        steps.shown(page, "VIM", 1)
    for name, run in (("large", large_run), ("phantom", sample_run), ("large", large_run)):
        steps.choose(page, "Run", name)
        page.wait_for_url(f"**run={run}*")
        steps.shown(page, "ERBB2")
    assert not page.get_by_text("Something went wrong").count()
