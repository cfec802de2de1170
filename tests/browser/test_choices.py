"""A file holds several: the page asks which one, and nothing is uploaded twice."""

import json
from pathlib import Path

import anndata
import numpy as np
import pytest
from browser import steps
from builders.slide_files import make_two_series

from histospace_core.catalog import Catalog, SlideRow
from histospace_core.expression import read_measured

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def catalog_of(app) -> Catalog:
    return Catalog(f"sqlite:///{(app.store / 'catalog.db').as_posix()}")


def two_libraries(slide: SlideRow, file: Path) -> anndata.AnnData:
    """Write the slide's measurement as library whole, and every other spot of it as half."""
    whole = read_measured(Path(str(slide.counts_path)), Path(str(slide.spots_path)))
    whole.uns.clear()
    parts = {"whole": whole, "half": whole[::2].copy()}
    both = anndata.concat(parts, label="library_id", index_unique="-")
    both.write_h5ad(file)
    return both


def test_a_measurement_of_two_libraries_on_compare(app, page, sample_run, tmp_path):
    catalog = catalog_of(app)
    slide = catalog.run(sample_run).slide
    both = two_libraries(slide, tmp_path / "two.h5ad")
    before = {row.id for row in catalog.comparisons(sample_run)}
    page.goto(f"/compare?run={sample_run}")
    page.locator(".uploader").first.wait_for(state="attached")
    if not page.locator(".uploader").first.is_visible():
        page.get_by_text("Measured expression", exact=True).first.click()
    steps.upload(page, "Counts, .h5ad or zip", tmp_path / "two.h5ad")
    page.get_by_text("two.h5ad is uploaded").wait_for()
    steps.at_rest(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("two.h5ad holds 2 libraries.").wait_for()
    box = page.get_by_role("combobox", name="Which library?")
    assert box.input_value() == "", "never a guess"
    assert {row.id for row in catalog.comparisons(sample_run)} == before
    steps.choose(page, "Which library", "half")
    # an earlier comparison may be in the address already
    page.wait_for_url(
        lambda url: "comparison=" in url and not any(id_ in url for id_ in before),
        timeout=180_000,
    )
    (new,) = (row for row in catalog.comparisons(sample_run) if row.id not in before)
    assert new.measured_name == "two.h5ad · half"
    summary = json.loads((new.directory / "summary.json").read_text())
    assert summary["n_spots_measured"] == np.sum(both.obs["library_id"] == "half")
    assert len(list((app.store / "measured").rglob("*.h5ad"))) == 1, "uploaded once"


def test_a_slide_file_of_two_images(app, page, tmp_path):
    make_two_series(tmp_path / "two.ome.tif", side=1400)
    question = "two.ome.tif holds 2 images."
    page.goto("/slides")
    for end in ("Cancel", "Use this image"):
        steps.upload(page, "Upload H&E slides", tmp_path / "two.ome.tif")
        page.get_by_text(question).wait_for()
        steps.at_rest(page)
        assert page.get_by_role("button", name="Use this image").is_disabled()
        if end == "Cancel":
            page.get_by_role("button", name=end).click()
            page.get_by_text(question).wait_for(state="detached")
            assert not [p for p in (app.store / "uploads").rglob("*") if p.is_file()]
    page.reload()  # the question outlives the visit
    page.get_by_text(question).wait_for()
    steps.at_rest(page)
    steps.choose(page, "Which image", "right")
    steps.at_rest(page)
    page.get_by_role("button", name="Use this image").click()
    page.get_by_text(question).wait_for(state="detached")
    page.get_by_text("image “right”").first.wait_for()
    (slide,) = (row for row in catalog_of(app).slides() if row.name == "two.ome.tif")
    assert (slide.series, slide.width) == ("right", 1300)
    assert not [p for p in (app.store / "uploads").rglob("*") if p.is_file()]

    page.goto(f"/predict?slide={slide.id}")
    page.get_by_text("The tissue to be predicted").wait_for()
    run_id = steps.run(page)
    record = json.loads((app.store / "runs" / run_id / "run.json").read_text())
    assert (record["slide"]["series"], record["slide"]["width"]) == ("right", 1300)


def test_a_file_of_two_images_in_the_import_folder(app, page):
    app.import_dir.mkdir(exist_ok=True)
    make_two_series(app.import_dir / "pair.ome.tif", side=1200)
    page.goto("/slides")
    page.get_by_text("From the import folder").click()
    steps.mark(page, page.get_by_test_id("stMain"), "Files (", "pair.ome.tif")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Import files").click()
    page.get_by_role("button", name="Update the list below").click(timeout=120_000)
    page.get_by_text("pair.ome.tif holds 2 images.").wait_for()
    steps.at_rest(page)
    steps.choose(page, "Which image", "left")
    steps.at_rest(page)
    page.get_by_role("button", name="Use this image").click()
    page.get_by_text("pair.ome.tif holds 2 images.").wait_for(state="detached")
    for _ in range(600):
        found = [row for row in catalog_of(app).slides() if row.name == "pair.ome.tif"]
        if found:
            break
        page.wait_for_timeout(200)
    assert (found[0].series, found[0].width) == ("left", 1200)
