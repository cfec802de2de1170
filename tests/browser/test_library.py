"""The library: slides brought in together, named, found, predicted together, runs side by side."""

import re
import secrets
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser import steps

from benchmarks.make_slide import make_slide
from histospace_core.catalog import Catalog, RunRow, State
from histospace_core.comparison.run_pair import pair_runs
from histospace_core.inference import open_prediction

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def catalog(app):
    catalog = Catalog(f"sqlite:///{(app.store / 'catalog.db').as_posix()}")
    yield catalog
    catalog.close()


@pytest.fixture
def word() -> str:
    """A word of this attempt, so that what an earlier one has left is not found."""
    return f"w{secrets.token_hex(3)}"


def new_slide(file: Path) -> Path:
    """Write a small slide that no earlier attempt has brought in."""
    return make_slide(file, 1024, tissue=0.6, seed=secrets.randbelow(2**31))


def test_from_several_files_to_two_runs_side_by_side(app, page, catalog, word, tmp_path):
    files = [new_slide(tmp_path / f"{name} {word}.tif") for name in ("S23-12345", "plain")]
    page.goto("/slides")
    steps.upload(page, "Upload H&E slides", files)
    page.get_by_text(steps.ARRIVED).nth(1).wait_for()
    page.get_by_text("The name seems to contain an accession number").first.wait_for()
    steps.at_rest(page)
    page.get_by_role("button", name=re.compile("^Rename to slide")).first.click()
    page.get_by_text(re.compile(r"slide \w{6}\.tif is ready")).wait_for()
    assert not catalog.slides("S23-12345")

    steps.at_rest(page)
    page.get_by_role("button", name="Predict 2 new slides").click()
    page.wait_for_url("**/batch*")
    tag = page.get_by_label("Tag for these runs")
    tag.fill(word)
    tag.press("Enter")
    steps.at_rest(page)
    page.get_by_role("button", name="Queue 2 predictions").click()
    page.wait_for_url(f"**/runs?tag={word}")
    page.get_by_text("In progress").wait_for()
    page.reload()
    page.get_by_text("2 of 2 done").wait_for(timeout=steps.RUN_MS)
    runs = catalog.runs(tags=[word])
    assert [run.state for run in runs] == [State.DONE] * 2
    first = next(run for run in runs if run.slide.name.startswith("slide "))
    page.get_by_role("button", name="Update the list below").click()
    page.get_by_text(f"run {first.id[:8]}").wait_for()
    look_at_both(page, first, second_run(catalog, first))


def second_run(catalog: Catalog, run: RunRow) -> RunRow:
    """Enter a second run of the slide: the first one's files, its stain under another name."""
    second = catalog.add_run(
        run.slide_id, run.model_name, {"stain": "other"}, runs_dir=run.directory.parent
    )
    shutil.copytree(run.directory, second.directory)
    record = run.prediction_record
    settings = record.settings.model_copy(update={"stain": "other"})
    catalog.claim(second.id, "test")
    catalog.finish(second.id, record=record.model_copy(update={"settings": settings}))
    return catalog.run(second.id)


def look_at_both(page, first: RunRow, second: RunRow) -> None:
    page.goto(f"/two_runs?run={first.id}&with={second.id}")
    page.get_by_text("Median r between the runs").wait_for()
    for number in range(2):
        steps.plot(page, number)
    table = steps.download(page, "Agreement of all genes as CSV").set_index("gene")
    pair = pair_runs(open_prediction(first.directory), open_prediction(second.directory))
    np.testing.assert_allclose(table["pearson"], pair.genes["pearson"])
    assert page.get_by_text("Differences in model, settings and versions").is_visible()


def test_a_slide_of_the_import_folder_is_tagged_and_found(app, page, catalog, word):
    app.import_dir.mkdir(exist_ok=True)
    new_slide(app.import_dir / f"{word}.tif")
    page.goto("/slides")
    page.get_by_text("From the import folder").click()
    steps.mark(page, page.get_by_test_id("stMain"), "Files (", word)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Import files").click()
    for _ in range(600):  # so quick that the page may never say that it is under way
        if catalog.slides(word):
            break
        page.wait_for_timeout(200)
    page.reload()

    find = page.get_by_label("Find")
    find.fill(word)
    find.press("Enter")
    page.get_by_text(re.compile("^1 of .* slides?")).wait_for()
    steps.at_rest(page)
    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="New tags").fill(f"cohort {word}")
    dialog.get_by_label("Note").fill(f"for the meeting of {word}")
    dialog.get_by_role("button", name="Save", exact=True).click()
    dialog.wait_for(state="detached")
    page.get_by_text(f"for the meeting of {word}").wait_for()
    (slide,) = catalog.slides(tags=[f"cohort {word}"])
    assert slide.note == f"for the meeting of {word}"
    page.reload()
    page.get_by_text(re.compile("^1 of .* slides?")).wait_for()
    assert steps.parameter(page, "find") == word
