"""A real section in a browser: its map, its tables, held against what was measured on it.

Its maps, regions, lists and mixtures are in the tests that take `any_run`, too.
"""

from pathlib import Path

import pytest
from browser import checks, steps

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.shared, pytest.mark.timeout(1200)]


def test_a_real_section_from_upload_to_csv(app, page, section_run, shared: Path):
    page.goto(f"/predict?run={section_run}")
    page.get_by_role("button", name="Open the gene map").click()
    page.wait_for_url(f"**/gene_map?run={section_run}*")
    checks.look_at_map_and_tables(app, page, section_run, "ERBB2")

    page.goto(f"/compare?run={section_run}")
    steps.upload(page, "Counts, .h5ad or zip", shared / "her2st/ST-cnts/C5.tsv.gz")
    page.get_by_text("C5.tsv.gz is uploaded").wait_for()
    steps.upload(page, "Spot file", shared / "her2st/ST-spotfiles/C5_selection.tsv")
    page.get_by_text("C5_selection.tsv is uploaded").wait_for()
    page.get_by_role("button", name="Compare", exact=True).click()
    checks.look_at_comparison(app, page, section_run)
