"""What a user can get wrong: one clear sentence each, and nothing else has changed."""

import io

import numpy as np
import pytest
from browser import steps
from builders.slide_files import make_slide
from PIL import Image

from histospace_core.catalog import Catalog

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAME = "<script>alert(1)</script>**b**[x](http:x)$y$.png"


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("notes.svs", b"these are notes, not a slide\n" * 100),
        ("empty.tif", b""),
        ("tiny.png", png(np.full((16, 16, 3), 200, np.uint8))),
        ("grey.png", png(np.full((600, 600), 128, np.uint8))),
        ("blank.png", png(np.full((900, 900, 3), 250, np.uint8))),
    ],
)
def test_what_is_no_slide_is_refused_in_one_sentence(app, page, name, data):
    before = {slide.id for slide in Catalog(f"sqlite:///{app.store}/catalog.db").slides()}
    page.goto("/slides")
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    steps.upload(page, "Upload H&E slides", file)
    message = page.get_by_test_id("stAlert")
    message.wait_for()
    said = message.inner_text()
    assert name in said
    assert said.strip().endswith(".")
    assert "Traceback" not in page.inner_text("body")
    after = {slide.id for slide in Catalog(f"sqlite:///{app.store}/catalog.db").slides()}
    assert after == before
    assert not [p for p in (app.store / "uploads").rglob("*") if p.is_file()]


def test_a_hostile_name_is_shown_letter_by_letter(page, tmp_path):
    data = make_slide(tmp_path / "slide.png").read_bytes()
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto("/slides")
    steps.upload(page, "Upload H&E slides", {"name": NAME, "mimeType": "", "buffer": data})
    page.get_by_text(steps.ARRIVED).wait_for()
    assert page.get_by_text(f"{NAME.replace('/', '')} was added").count() or NAME.split("/")[
        -1
    ] in (page.inner_text("body"))
    assert page.locator("h5 strong, h5 a, h5 .katex").count() == 0
    page.get_by_role("button", name="Save pixel size").first.click()
    page.get_by_text("Enter the pixel size in").wait_for()
    page.goto("/predict")
    page.get_by_text("does not state its pixel size").wait_for()
    assert page.get_by_role("button", name="Run", exact=True).count() == 0


def test_a_measurement_that_does_not_fit_is_explained_and_not_kept(app, page, sample_run, tmp_path):
    counts = "\tERBB2\tCOL1A1\tCD74\n" + "".join(f"{i}x1\t3\t2\t1\n" for i in range(30))
    spots = "x\ty\tnew_x\tnew_y\tpixel_x\tpixel_y\tselected\n" + "".join(
        f"{i}\t1\t{i}\t1\t{90000 + 290 * i}\t90000\t1\n" for i in range(30)
    )
    page.goto(f"/compare?run={sample_run}")
    page.locator(".uploader").first.wait_for(state="attached")
    for label, name, text in (
        ("Counts, .h5ad or zip", "counts.tsv", counts),
        ("Spot file", "spots.tsv", spots),
    ):
        file = {"name": name, "mimeType": "text/plain", "buffer": text.encode()}
        if not page.locator(".uploader").first.is_visible():
            page.get_by_text("Measured expression").first.click()
        steps.upload(page, label, file)
        page.get_by_text(f"{name} is uploaded").wait_for()
    folder = app.store / "runs" / sample_run / "comparisons"
    before = sorted(folder.glob("*"))
    page.get_by_role("button", name="Compare", exact=True).click()
    message = page.get_by_test_id("stAlert").filter(has_text="spots lie on tissue")
    message.wait_for()
    assert "Traceback" not in page.inner_text("body")
    assert sorted(folder.glob("*")) == before


def test_a_wrong_link_is_a_sentence(page):
    page.goto("/predict?run=0000")
    page.get_by_text("This run is not in the catalog").wait_for()


def test_a_download_without_a_network_says_so(page):
    page.goto("/")
    page.get_by_role("button", name="Or a real section").click()
    page.get_by_text("This downloads from the internet").wait_for()
    page.get_by_role("button", name="Download a real her2st section").click()
    page.get_by_text("the server cannot be reached").wait_for()
