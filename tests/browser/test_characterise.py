"""Characterise in a browser: started, watched across a reload, looked at, downloaded."""

import json
import re
from pathlib import Path

import pytest
from browser import steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_sample_is_characterised_and_looked_at(app, page, sample_run):
    page.goto(f"/characterise?run={sample_run}")
    page.get_by_text("appear here once this run is characterised").wait_for()
    page.get_by_role("button", name="Characterise", exact=True).click()
    page.get_by_text("You may close this page").wait_for()
    page.reload()
    page.get_by_text("Resolution: number of domains").wait_for(timeout=300_000)

    figure = steps.plot(page)
    (folder,) = (app.store / "runs" / sample_run / "characterisations").iterdir()
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    level = summary["levels"][summary["chosen_level"]]
    shown = figure.evaluate("el => el.data.map(trace => trace.name)")
    found = [re.match(r"D\d+", name) for name in shown]
    assert [name[0] for name in found if name] == [f"D{i + 1}" for i in range(level["n_domains"])]
    assert page.get_by_text(f"{level['stability']:.2f}", exact=True).first.is_visible()
    tiles = steps.download(page, "Domains as CSV")
    assert len(tiles) == summary["n_tiles"]

    slider = page.get_by_role("slider", name=re.compile("Resolution"))
    slider.focus()
    end = "End" if summary["chosen_level"] == 0 else "Home"
    slider.press(end)  # another level, by keyboard alone
    other = summary["levels"][-1 if end == "End" else 0]
    page.get_by_role("button", name="Markers", exact=True).or_(
        page.get_by_role("radio", name="Markers", exact=True)
    ).first.click()
    page.wait_for_url("**view=Markers*")
    page.get_by_text("Least effect, standard deviations").wait_for()
    markers = steps.download(page, "Markers of this level as CSV")
    assert set(markers["region"]) <= {domain["domain"] for domain in other["domains"]}
    assert "p_value" not in markers

    page.goto(f"/characterise?run={sample_run}&view=Regions")
    field = page.get_by_test_id("stFileUploader").filter(has_text="QuPath")
    field.locator("input[type=file]").set_input_files(folder / "domains.geojson")
    page.get_by_text("Agreement with the drawn regions").wait_for()
    page.get_by_text("random positions", exact=False).first.wait_for()
    tests = steps.download(page, "Tests between regions as CSV")
    assert {"p_value", "q_value"} <= set(tests)

    page.goto("/runs")
    card = page.get_by_test_id("stVerticalBlock").filter(has_text="characterise · run").last
    card.get_by_role("link", name="Open").click()
    page.wait_for_url(f"**/characterise?run={sample_run}*")
    page.get_by_text("Resolution: number of domains").wait_for()


def test_a_file_that_is_no_geojson_is_said(page, sample_run, tmp_path: Path):
    (tmp_path / "notes.geojson").write_text("not json")
    page.goto(f"/characterise?run={sample_run}&view=Regions")
    field = page.get_by_test_id("stFileUploader").filter(has_text="QuPath")
    field.locator("input[type=file]").set_input_files(tmp_path / "notes.geojson")
    page.get_by_text("is not GeoJSON").wait_for()
