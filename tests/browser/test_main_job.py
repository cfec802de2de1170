"""The whole job in a browser: slide in, gene map out, compared with measured expression."""

import pytest
from browser import checks, steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def app(app_of_its_own):
    """A sample that was predicted before would not be predicted again."""
    return app_of_its_own


def test_the_sample_from_start_to_csv(app, page):
    """Three clicks: sample, map, comparison."""
    run_id = steps.predict_sample(page)
    page.get_by_role("button", name="Open the gene map").click()
    page.wait_for_url(f"**/gene_map?run={run_id}*")
    checks.look_at_map_and_tables(app, page, run_id, "ERBB2")
    page.get_by_role("link", name="Compare with its measurement").click()
    page.wait_for_url(f"**/compare?run={run_id}*")
    checks.look_at_comparison(app, page, run_id)

    page.goto("/")
    page.get_by_role("button", name="Try the sample").click()
    page.wait_for_url(f"**/gene_map?run={run_id}*")  # it is not predicted twice
