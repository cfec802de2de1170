"""One's own sections in a browser: attached, checked, trained on, the model looked at."""

import io
import re
import zipfile

import pytest
from browser import steps
from builders.sections import GENES, make_section_files

from histospace_core.catalog import Catalog
from histospace_core.training.loss_log import read_losses

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TRAINING_MS = 900_000
COLUMNS = 6  # of the table of sections


@pytest.fixture
def app(app_of_its_own):
    """The table of sections holds only what is uploaded here: its rows are all in sight."""
    return app_of_its_own


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    """Two sections whose training takes seconds on an idle machine."""
    folder = tmp_path_factory.mktemp("sections")
    return {name: make_section_files(folder, name, i, 800) for i, name in enumerate(("s1", "s2"))}


def pause(page):
    page.wait_for_timeout(500)
    steps.at_rest(page)


def attach(page, name, files):
    """Bring the measurement of a slide on the Train page."""
    pause(page)
    page.wait_for_timeout(1500)  # an expander that opens by itself is not clicked shut
    if not page.get_by_role("combobox", name=re.compile("^For which slide")).is_visible():
        page.get_by_text("Add measured expression").click()
    which = page.get_by_role("combobox", name=re.compile("^For which slide"))
    if which.input_value() != f"{name}.png":
        steps.choose(page, "For which slide", f"{name}.png")
        page.wait_for_timeout(1500)  # the fields of the slide before are gone
        pause(page)
    for label, file in (("Counts, .h5ad", files.counts), ("Spot file", files.spots)):
        steps.upload(page, label, file)
        page.get_by_text(f"{file.name} is uploaded").wait_for()
    pause(page)
    page.get_by_role("button", name="Check and attach").click()
    page.get_by_text(f"{name}.png: ").wait_for()
    pause(page)


def write(page, row, column, text):
    """Type into a cell of the table of sections; its drawing surface has no elements to find."""
    canvas = page.get_by_test_id("stDataFrame").first.locator("canvas").first
    canvas.evaluate("el => el.scrollIntoView({block: 'center'})")
    box = canvas.bounding_box()
    editor = page.locator("#portal textarea")
    for _ in range(10):
        page.mouse.dblclick(
            box["x"] + box["width"] * (column + 0.5) / COLUMNS, box["y"] + 35 * (row + 1.5)
        )
        page.wait_for_timeout(500)
        if editor.count():
            break
    editor.fill(text)
    page.keyboard.press("Enter")
    editor.wait_for(state="detached")
    pause(page)


def test_own_sections_become_a_model(app, page, sections):
    for name, files in sections.items():
        page.goto("/slides")
        steps.upload(page, "Upload H&E slides", files.image)
        page.get_by_text(f"{name}.png was added").wait_for()
        steps.state_pixel_size(page, 0.69)
        pause(page)
    page.goto("/train")
    page.get_by_text("Add measured expression").wait_for()
    for name, files in sections.items():
        attach(page, name, files)
    slides = {s.name: s for s in Catalog(f"sqlite:///{app.store}/catalog.db").slides()}
    assert all(slides[f"{name}.png"].counts_path for name in sections)

    page.get_by_role("button", name="Check the cohort").click()
    page.get_by_text("Section 's1': its patient's id is missing").wait_for()
    write(page, 0, 2, "P1")
    write(page, 1, 2, "p 1")
    page.get_by_text("look like one person").wait_for()
    write(page, 1, 2, "P2")
    page.get_by_text("Each of the 2 patients is held out in turn").wait_for()

    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("The new model needs a name").wait_for()
    page.get_by_label("Name of the new model").fill("mine")
    page.get_by_label("Epochs").fill("2")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?run=*")
    run_id = steps.parameter(page, "run")
    look_at_training(app, page, run_id)
    look_at_model(page)


def look_at_training(app, page, run_id):
    """Curves while it trains, the same after a reload, all epochs when it is done."""
    page.locator(".js-plotly-plot").first.wait_for(timeout=TRAINING_MS)
    seen = read_losses(app.store / "runs" / run_id)
    assert len(seen) > 0
    page.reload()
    page.get_by_text("Loss of the autoencoder").first.wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_text("Done in").wait_for(timeout=TRAINING_MS)
    losses = read_losses(app.store / "runs" / run_id)
    assert losses.head(len(seen)).equals(seen)
    last = losses[losses["stage"] == losses["stage"].iloc[-1]]
    assert last["epoch"].tolist() == [1, 2] * 3  # each patient held out, then none
    assert last["part"].iloc[-1] == "all sections"
    with page.expect_download() as event:
        page.get_by_role("button", name="Model package as zip").click()
    with zipfile.ZipFile(io.BytesIO(event.value.path().read_bytes())) as archive:
        assert "mine/model.safetensors" in archive.namelist()


def look_at_model(page):
    """Its model card and genes, then another model beside it."""
    page.get_by_role("link", name="Model card and genes").click()
    page.wait_for_url("**/models?model=mine*")
    page.get_by_role("tab", name="Genes").click()
    page.get_by_text(f"{len(GENES)} of {len(GENES)} genes").wait_for()
    page.get_by_role("tab", name="Model card").click()
    page.get_by_role("heading", name="How far to trust it").wait_for()
    assert page.get_by_text("leave one patient out, 2 patients").is_visible()
    other = page.get_by_role("combobox", name=re.compile("^Compare with"))
    other.focus()
    other.press("ArrowDown")
    page.get_by_role("option").first.click()
    page.wait_for_url("**beside=*")
    page.get_by_text("trained and scored on different sections").wait_for()
    page.get_by_text("genes have a score in both").wait_for()
    steps.plot(page)
    page.reload()
    page.get_by_text("genes have a score in both").wait_for()


def test_the_pages_say_what_is_missing(page):
    page.goto("/train?run=0000")
    page.get_by_text("This run is not in the catalog").wait_for()
    page.goto("/scores")
    page.get_by_text("No evaluation has finished yet").wait_for()
    page.get_by_role("link", name="Go to Train").click()
    page.get_by_role("heading", name="Train", level=1).wait_for()
