"""The whole job in a browser: slide in, gene map out, compared with measured expression."""

from pathlib import Path

import pytest
from browser import checks, steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def app(app_of_its_own):
    """A slide that an earlier attempt left would not be asked for its pixel size."""
    return app_of_its_own


def open_the_map(page, run_id: str) -> None:
    page.get_by_role("button", name="Open the gene map").click()
    page.wait_for_url(f"**/gene_map?run={run_id}*")


def test_the_sample_from_start_to_csv(app, page):
    """Three clicks: sample, map, comparison."""
    run_id = steps.predict_sample(page)
    open_the_map(page, run_id)
    checks.look_at_map_and_tables(app, page, run_id, "ERBB2")
    page.get_by_role("link", name="Compare with its measurement").click()
    page.wait_for_url(f"**/compare?run={run_id}*")
    checks.look_at_comparison(app, page, run_id)

    page.goto("/")
    page.get_by_role("button", name="Try the sample").click()
    page.wait_for_url(f"**/gene_map?run={run_id}*")  # it is not predicted twice


@pytest.mark.shared
@pytest.mark.timeout(1200)
def test_a_real_section_from_upload_to_csv(app, page, shared: Path):
    her2st = shared / "her2st"
    page.goto("/slides")
    steps.upload(page, "Upload H&E slides", her2st / "ST-imgs/C/C5/5714_HE_BT_E1.jpg")
    page.get_by_text(steps.ARRIVED).wait_for(timeout=120_000)
    assert steps.pixel_size(page).input_value() == "", "never a guess"
    steps.state_pixel_size(page, 0.69)
    page.get_by_text("0.69 µm per px, given by you").wait_for()
    run_id = steps.predict_new(page)
    open_the_map(page, run_id)
    checks.look_at_map_and_tables(app, page, run_id, "ERBB2")

    page.goto(f"/compare?run={run_id}")
    steps.upload(page, "Counts, .h5ad or zip", her2st / "ST-cnts/C5.tsv.gz")
    page.get_by_text("C5.tsv.gz is uploaded").wait_for()
    steps.upload(page, "Spot file", her2st / "ST-spotfiles/C5_selection.tsv")
    page.get_by_text("C5_selection.tsv is uploaded").wait_for()
    page.get_by_role("button", name="Compare", exact=True).click()
    checks.look_at_comparison(app, page, run_id)
