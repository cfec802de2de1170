"""Regions in a browser: drawn, named, kept, tested, taken to QuPath and brought back, undone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import steps

from histospace_core.catalog import new_id
from histospace_core.inference import open_prediction

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HALVES = [(-0.25, -0.25), (0.25, 0.25)]


@pytest.fixture
def name() -> str:
    """A name of this attempt's own: an earlier one may have left regions."""
    return f"Core {new_id()[:6]}"


def renamed(page, name: str) -> None:
    page.get_by_role("button", name="Name and colour").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Name", exact=True).press("Enter")
    outline(page, name).wait_for()
    page.keyboard.press("Escape")


def outline(page, name: str):
    """The name of a region as it stands on the map."""
    return page.locator(".outlines text").get_by_text(name, exact=True)


def geojson(page) -> dict:
    page.get_by_role("button", name="QuPath").click()
    with page.expect_download() as event:
        page.get_by_role("button", name="Regions as GeoJSON").click()
    page.keyboard.press("Escape")
    return json.loads(Path(event.value.path()).read_text("utf-8"))


def bring(page, content: object, said: str) -> None:
    page.get_by_role("button", name="QuPath").click()
    data = json.dumps(content).encode()
    file = {"name": "back.geojson", "mimeType": "application/geo+json", "buffer": data}
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(file)
    page.get_by_text(said).wait_for()
    page.keyboard.press("Escape")


def test_a_region_from_drawing_to_qupath_and_back(app, page, any_run, name):
    stored = open_prediction(app.store / "runs" / any_run)
    page.goto(f"/gene_map?run={any_run}&gene=ERBB2")
    steps.draw(page, steps.shown(page, "ERBB2"), "Rectangle", HALVES)
    page.wait_for_url("**region=*")
    renamed(page, name)

    page.goto(page.url)  # a visitor with the link
    outline(page, name).wait_for()
    page.get_by_text(f"{name} against the rest of the tissue").wait_for()
    tiles = steps.download(page, "Tiles of the region as CSV")
    inside = stored.obs.index.isin(tiles["tile"])
    assert 5 <= inside.sum() < stored.n_tiles
    tested = steps.download(page, "Statistics as CSV").set_index("gene")
    values = stored.gene("ERBB2")
    known = np.isfinite(values)
    difference = values[inside & known].mean() - values[~inside & known].mean()
    assert tested.loc["ERBB2", "difference"] == pytest.approx(difference, abs=1e-3)
    assert tested["reliable"].all()
    assert tested[["q_value", "naive_p_value", "held_out_pearson"]].notna().all(axis=None)
    steps.choose(page, "Gene", "COL1A1")
    page.wait_for_url("**gene=COL1A1**")
    assert steps.parameter(page, "region"), "stays when the gene changes"

    written = geojson(page)
    (drawn,) = [f for f in written["features"] if f["properties"]["name"] == name]
    (ring,) = drawn["geometry"]["coordinates"]
    box = pd.DataFrame(ring).agg(["min", "max"]).to_numpy()
    by_hand = ((stored.centres > box[0]) & (stored.centres < box[1])).all(axis=1)
    np.testing.assert_array_equal(by_hand, inside, "level-0 px from the top left")

    bring(page, written, "Regions imported from back.geojson: 0. Already present")
    drawn["properties"] = {"objectType": "annotation", "name": f"{name} ring"}
    middle = box.mean(axis=0)
    drawn["geometry"]["coordinates"].append((0.5 * (np.array(ring) - middle) + middle).tolist())
    bring(page, drawn, "Regions imported from back.geojson: 1.")
    outline(page, f"{name} ring").wait_for()
    page.get_by_text(f"{name} ring against the rest of the tissue").wait_for()
    again = [f["geometry"] for f in geojson(page)["features"] if "ring" in f["properties"]["name"]]
    assert drawn["geometry"] in again
    assert len(steps.download(page, "Tiles of the region as CSV")) < inside.sum(), "the hole is out"

    page.get_by_role("button", name="Delete").click()
    outline(page, f"{name} ring").wait_for(state="detached")
    page.get_by_role("button", name=f"Undo deleting {name} ring").click()
    outline(page, f"{name} ring").wait_for()


def test_a_polygon_by_keyboard_and_a_lasso_that_is_another_outline(page, any_run, name):
    page.goto(f"/gene_map?run={any_run}&gene=ERBB2")
    panel = steps.shown(page, "ERBB2")
    page.get_by_role("button", name="Polygon").press("Enter")
    page.get_by_text("Space sets a corner").wait_for()
    for key in ("ArrowUp", "ArrowRight", "ArrowDown"):
        page.keyboard.press("Space")
        for _ in range(4):
            page.keyboard.press(key)
        page.wait_for_timeout(800)  # the map glides
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**region=*")
    renamed(page, name)
    before = page.locator(".outlines .edge.chosen").get_attribute("d")
    page.get_by_role("button", name="Redraw").click()
    page.get_by_text(f"Draw the new outline of {name}").wait_for()
    steps.draw(page, panel, "Polygon", steps.LOOP[:1])  # another tool first, given up again
    page.keyboard.press("Escape")
    page.locator("[data-tool=polygon][aria-pressed=false]").wait_for()
    steps.draw(page, panel, "Lasso", steps.LOOP)
    page.get_by_role("button", name=f"Undo redrawing {name}").wait_for()
    page.locator(f".outlines .edge.chosen:not([d='{before}'])").wait_for(state="attached")
    page.get_by_role("button", name=f"Undo redrawing {name}").click()
    page.locator(f".outlines .edge.chosen[d='{before}']").wait_for(state="attached")


def test_what_cannot_be_brought_and_a_dead_link_are_said(page, sample_run):
    page.goto(f"/gene_map?run={sample_run}&region=0000")
    page.get_by_text("The region of this link was deleted").wait_for()
    square = [[[9e6, 0], [9.1e6, 0], [9.1e6, 9], [9e6, 0]]]
    bring(page, {"type": "Polygon", "coordinates": square}, "drawn on another slide")
