"""Spots placed by hand, swipe, filters; gene lists, mixtures and signatures, in a browser."""

import json

import numpy as np
import pytest
from browser import steps

from histospace_core.catalog import Catalog
from histospace_core.inference import open_prediction

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def recorded(app, run_id: str) -> dict[str, dict]:
    """What each comparison of a run has recorded, by its id."""
    catalog = Catalog(f"sqlite:///{(app.store / 'catalog.db').as_posix()}")
    return {
        row.id: json.loads((row.directory / "summary.json").read_text())
        for row in catalog.comparisons(run_id)
    }


def set_number(page, label: str, value: str) -> None:
    field = page.get_by_label(label)
    field.fill(value)
    field.press("Enter")
    steps.at_rest(page)


def test_spots_are_placed_by_hand_compared_swiped_and_filtered(app, page, sample_run):
    before = set(recorded(app, sample_run))
    shift = 40 + len(before)  # tells this comparison from those of other tests and attempts
    page.goto(f"/compare?run={sample_run}&view=swipe&colours=own&gene=ERBB2")
    toggle = page.get_by_text("Place the spots by hand")
    toggle.wait_for(state="attached")
    if not toggle.is_visible():  # a comparison is there already: what brings another is folded
        page.get_by_text("Measured expression", exact=True).first.click()
    toggle.click()
    page.get_by_text("Spots on tissue").first.wait_for()
    set_number(page, "Shift right, µm", str(shift))
    set_number(page, "Rotate clockwise, degrees", "2")
    page.get_by_text("as given: 95").wait_for()
    page.get_by_role("button", name="Compare with this placement").click()
    text = f"shifted by {shift} µm to the right"
    page.get_by_text(text).wait_for(state="attached", timeout=180_000)
    steps.at_rest(page)
    page.locator(".swipe[data-shown='ERBB2']").wait_for()
    (new,) = set(recorded(app, sample_run)) - before
    placement = recorded(app, sample_run)[new]["placement"]
    assert placement["by_hand"] is True
    assert (placement["shift_um"], placement["turn_degrees"]) == ([shift, 0], 2)
    assert np.array(placement["affine_level0_px"]).shape == (2, 3)

    divider = page.get_by_role("slider", name="Divider: measured on its left")
    divider.press("ArrowLeft")
    assert divider.input_value() == "49"
    assert page.locator(".swipe .legend:visible").count() == 2, "a scale for each"

    page.get_by_role("radio", name="Side by side").click()
    page.wait_for_url(lambda url: "view=" not in url)
    for name in ("measured", "predicted", "residual", "scatter"):
        figure = page.get_by_role("figure", name=f"{name}: ERBB2")
        figure.locator(".main-svg").first.wait_for()

    steps.choose(page, "Show", "genes that cannot be scored")
    page.get_by_text("genes cannot be scored").wait_for()
    page.get_by_label("Find genes").fill("KRT")
    page.get_by_label("Find genes").press("Enter")
    genes = open_prediction(app.store / "runs" / sample_run).genes
    page.get_by_text(f"of {len(genes):,} genes.").wait_for()


def test_lists_mixtures_and_signatures_on_the_gene_map(page, any_run):
    page.goto(f"/gene_map?run={any_run}&gene=ERBB2&with=CD74")
    steps.shown(page, "CD74", 1)
    page.get_by_text("Blend the two genes into one picture").click()
    panel = steps.shown(page, "ERBB2 + CD74")
    page.wait_for_url("**mix=on*")
    assert panel.locator(".discs i").count() == 2
    assert page.locator(".viewer .panel").count() == 1

    page.get_by_role("button", name="Lists, signatures, order").click()
    page.get_by_test_id("stFileUploader").locator("input").set_input_files(
        {
            "name": "mine.csv",
            "mimeType": "text/csv",
            "buffer": b"gene,p\nHER2,1\nCD74,1\nVIM,1\nCOL1A1,1\nACTB,1\nnonsense,1\nTRAP,1\n",
        }
    )
    page.get_by_text("no gene has this name: nonsense").wait_for()
    page.get_by_text("more than one gene has this name: TRAP").wait_for()
    page.get_by_role("button", name="Show as one signature").click()
    page.wait_for_url("**signature=*")
    steps.shown(page, "mine (signature)", 1)
    page.keyboard.press("Escape")
    page.get_by_text("has no held-out score for this list").wait_for()

    page.goto(page.url)
    steps.shown(page, "ERBB2 + CD74")
    steps.shown(page, "mine (signature)", 1)
    steps.choose(page, "Gene", "VIM")
    steps.shown(page, "VIM + CD74")
    page.get_by_role("button", name="ERBB2", exact=True).click()
    steps.shown(page, "ERBB2 + CD74")
