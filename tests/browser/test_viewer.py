"""The deep-zoom viewer in a browser: layers, colours, keyboard, side by side, links."""

from io import BytesIO

import numpy as np
import pytest
from browser import steps
from PIL import Image

from histospace_core.inference import OUT_OF_DOMAIN_SCORE, open_prediction

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def requested(page) -> list[str]:
    """Every address that the page asks for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def pixels(panel) -> np.ndarray:
    """What a panel shows, without what is written over it."""
    picture = Image.open(BytesIO(panel.locator(".stage").screenshot()))
    return np.asarray(picture.convert("RGB"), int)


def magnifications(page) -> np.ndarray:
    """Screen px per um in every panel, by its scale bar."""
    read = "bars => bars.map(bar => [bar.textContent, parseFloat(bar.style.width)])"
    bars = page.locator(".viewer .scale-bar").evaluate_all(read)
    units = {"mm": 1000.0, "µm": 1.0}
    lengths = [float(text.split()[0]) * units[text.split()[1]] for text, _ in bars]
    return np.array([px for _, px in bars]) / lengths


def wait_for_magnification(page, wanted: float, tolerance: float = 2e-3) -> None:
    """Wait until all panels are at the same magnification."""
    for _ in range(150):
        page.wait_for_timeout(200)
        now = magnifications(page)
        if abs(now[0] / wanted - 1) < tolerance and np.ptp(now) < 2e-3 * now[0]:
            return
    raise AssertionError(f"{magnifications(page)} instead of {wanted} px per um")


def test_a_gene_chosen_while_the_viewer_still_loads_is_shown(page, sample_run):
    held = []
    page.route("**/openseadragon.min.js", lambda route: held.append(route))
    with page.expect_request("**/openseadragon.min.js"):  # the first gene's call is under way
        page.goto(f"/gene_map?run={sample_run}&gene=ERBB2")
    steps.choose(page, "Gene", "COL1A1")
    page.wait_for_url("**gene=COL1A1")
    page.get_by_text("COL1A1 on held-out sections").wait_for()
    for route in held:
        route.continue_()
    steps.shown(page, "COL1A1")


def test_a_gene_is_exchanged_without_loading_the_slide_again(page, any_run, requested):
    page.goto(f"/gene_map?run={any_run}&gene=ERBB2")
    before = pixels(steps.shown(page, "ERBB2"))
    assert any("/tiles/" in url for url in requested)
    requested.clear()
    steps.choose(page, "Gene", "COL1A1")
    after = pixels(steps.shown(page, "COL1A1"))
    layers = [url for url in requested if "/layer/" in url]
    assert layers
    assert all("gene=COL1A1" in url or "grid.json" in url for url in layers)
    assert not [url for url in requested if "/tiles/" in url]
    assert np.abs(after - before).mean() > 1
    requested.clear()
    page.get_by_label("Map", exact=True).uncheck()
    page.wait_for_url("**map=off")
    bare = pixels(steps.shown(page, "COL1A1"))
    assert np.abs(after - bare).mean() > 5, "the map is gone"
    assert not [url for url in requested if "/layer/" in url]


def test_what_the_reader_sets_is_in_the_address_and_comes_back(page, any_run):
    page.goto(f"/gene_map?run={any_run}&gene=CD74&with=VIM")
    steps.shown(page, "VIM", 1)
    robust = page.get_by_label("Upper colour limit of CD74").input_value()
    for end, value in (("Lower", "0.25"), ("Upper", "1.5")):
        field = page.get_by_label(f"{end} colour limit of CD74")
        field.fill(value)
        field.press("Enter")
    page.wait_for_url("**limits=CD74*1.5*")
    page.get_by_label("Colour scale").select_option("Cividis")
    page.wait_for_url("**scale=Cividis*")
    page.goto(page.url)
    steps.shown(page, "VIM", 1)
    assert page.get_by_label("Lower colour limit of CD74").input_value() == "0.25"
    assert page.get_by_label("Upper colour limit of CD74").input_value() == "1.5"
    assert page.get_by_label("Colour scale").input_value() == "Cividis"
    page.get_by_label("Lower colour limit of CD74").fill("9")
    page.get_by_label("Lower colour limit of CD74").press("Enter")
    page.get_by_text("The lower limit must be a number below the upper limit.").wait_for()
    assert page.get_by_label("Lower colour limit of CD74").input_value() == "0.25"
    page.get_by_role("button", name="Reset the colour limits").first.click()
    page.wait_for_url(lambda url: "limits" not in url)
    assert page.get_by_label("Upper colour limit of CD74").input_value() == robust


def test_how_the_values_are_spread_stands_over_the_colours(app, page, any_run):
    stored = open_prediction(app.store / "runs" / any_run)
    known = (stored.obs["domain_score"] <= OUT_OF_DOMAIN_SCORE).to_numpy()
    values = stored.gene("CD74")[known]
    page.goto(f"/gene_map?run={any_run}&gene=CD74")
    panel = steps.shown(page, "CD74")
    spread = panel.locator(".spread")
    said = spread.get_attribute("aria-label")
    assert said.startswith(f"CD74 in {len(values):,} tiles: median ")
    median = float(said.split("median ")[1].split(",")[0])
    assert median == pytest.approx(np.median(values), abs=0.01)
    assert said.endswith("2 % below this colour range, 2 % above")
    bars = spread.locator("path").get_attribute("d")
    field = page.get_by_label("Upper colour limit of CD74")
    field.fill(str(median))
    field.press("Enter")
    page.wait_for_url("**limits=CD74*")
    above = spread.get_attribute("aria-label").split(", ")[-1]
    assert above.endswith("% above")
    assert int(above.split()[0]) == pytest.approx(50, abs=3)
    assert spread.locator("path").get_attribute("d") != bars


def test_a_gene_beside_is_found_by_another_name(page, sample_run):
    page.goto(f"/gene_map?run={sample_run}&gene=VIM")
    steps.shown(page, "VIM")
    steps.choose(page, "More genes", "HER2")
    steps.shown(page, "ERBB2", 1)
    page.wait_for_url("**with=ERBB2*")
    steps.choose(page, "More genes", "NOSUCH")
    page.get_by_text("no gene has this name: NOSUCH").wait_for()
    assert page.locator(".viewer .panel").count() == 2


@pytest.mark.parametrize("width", [1440, 600])
def test_six_genes_move_as_one_by_keyboard_and_buttons(page, sample_run, width):
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(f"/gene_map?run={sample_run}")
    page.get_by_role("button", name="Lists, signatures, order").click()
    page.get_by_label("Paste genes").fill("HER2, VIM COL1A1\nENSG00000019582 ACTB GAPDH nonsense")
    page.get_by_label("Paste genes").press("Control+Enter")
    page.get_by_text("HER2 is ERBB2").wait_for()
    page.get_by_text("has this name: nonsense").wait_for()
    page.get_by_role("button", name="Show side by side").click()
    page.keyboard.press("Escape")
    for number, gene in enumerate(("ERBB2", "VIM", "COL1A1", "CD74", "ACTB", "GAPDH")):
        steps.shown(page, gene, number)
    assert page.locator(".viewer .panel").count() == 6
    whole = magnifications(page)[0]
    wait_for_magnification(page, whole)
    page.get_by_label("Predicted VIM over the slide").focus()
    page.keyboard.press("+")
    wait_for_magnification(page, 1.1 * whole, 0.03)  # how far depends on how long it is held
    page.keyboard.press("0")
    wait_for_magnification(page, whole)
    page.get_by_role("button", name="Zoom in").click()
    wait_for_magnification(page, 1.5 * whole)
    room = page.get_by_test_id("stMain")
    wide, visible = room.evaluate("el => [el.scrollWidth, el.clientWidth]")
    assert wide <= visible


def test_tiles_that_cannot_be_had_are_spoken_of(page, sample_run):
    page.route("**/tiles/**", lambda route: route.abort())
    page.goto(f"/gene_map?run={sample_run}&gene=ERBB2")
    page.get_by_text("Part of the picture could not be loaded").wait_for()
    steps.choose(page, "Gene", "VIM")
    steps.shown(page, "VIM")  # the map is shown all the same


def test_genes_that_are_not_there_are_named(page, sample_run):
    page.goto(f"/gene_map?run={sample_run}&gene=NOSUCHGENE&with=VIM,NOSUCH,VIM")
    page.get_by_text("This run has no gene NOSUCHGENE").wait_for()
    steps.shown(page, "VIM", 1)
    assert page.locator(".viewer .panel").count() == 2
