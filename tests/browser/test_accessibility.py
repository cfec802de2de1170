"""Accessibility by axe-core's rules: nothing serious, nothing critical, on any page."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import steps
from browser.test_pages import PAGES, settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]
GRAVE = ("serious", "critical")


def grave(page) -> list[str]:
    """What axe finds on the page as it stands: rule, place and reason."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: "
        f"{node['failureSummary']}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_grave_violation(page, sample_run, theme):
    page.emulate_media(color_scheme=theme)
    found = {}
    for path, title in PAGES.items():
        settled(page, path, title)
        found[path] = grave(page)
    page.goto(f"/gene_map?run={sample_run}&gene=ERBB2&with=VIM")
    steps.shown(page, "VIM", 1)
    found["viewer"] = grave(page)
    steps.region_view(page)
    found["region"] = grave(page)
    assert not any(found.values()), "\n".join(f"{k}: {v}" for k, vs in found.items() for v in vs)
