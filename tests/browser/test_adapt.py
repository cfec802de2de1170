"""A model is adapted to a patient from the Compare page, in a browser."""

import pytest
from browser import steps
from browser.conftest import serve
from builders.adaptable import make_model_for, make_visible_section
from builders.sections import GENES

from histospace_core.catalog import Catalog

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ADAPTATION_MS = 900_000


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_visible_section(tmp_path_factory.mktemp("section"), "P1")


@pytest.fixture
def app(tmp_path, files):
    """An app with a model that expects the section's level, beside the shipped ones."""
    make_model_for(tmp_path / "store" / "models", files, "mine")
    with serve(tmp_path) as served:
        yield served


def test_a_measured_section_adapts_the_model(app, page, files):
    page.goto("/slides")
    steps.upload(page, "Upload H&E slides", files.image)
    page.get_by_text(f"{files.image.name} was added").wait_for()
    steps.state_pixel_size(page, 0.69)
    page.get_by_text("0.69 µm per px, entered by you").wait_for()
    (slide,) = Catalog(f"sqlite:///{app.store}/catalog.db").slides()
    page.goto(f"/predict?slide={slide.id}&model=mine")
    page.get_by_text("The tissue to be predicted").wait_for()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("tiles predicted in").wait_for(timeout=steps.RUN_MS)
    run_id = steps.parameter(page, "run")

    page.goto(f"/compare?run={run_id}")
    for label, file in (("Counts, .h5ad", files.counts), ("Spot file", files.spots)):
        steps.upload(page, label, file)
        page.get_by_text(f"{file.name} is uploaded").wait_for()
    page.get_by_text("Adapt the model to this patient").click()
    page.get_by_text("for other slides of this patient only").wait_for()
    page.get_by_role("button", name="Adapt", exact=True).click()
    page.get_by_text("The adapted model needs a name").wait_for()
    page.get_by_label("Name of the adapted model").fill("after")
    page.get_by_role("textbox", name="Patient, a pseudonym").fill("P")
    page.get_by_role("button", name="Adapt", exact=True).click()
    page.wait_for_url("**/train?run=*")
    page.get_by_text("Adaptation of after").wait_for()
    page.get_by_text("Done in").wait_for(timeout=ADAPTATION_MS)
    page.get_by_text("use it only for slides of P").wait_for()
    page.get_by_role("link", name="Model card and genes").click()
    page.wait_for_url("**/models?model=after*")
    page.get_by_role("tab", name="Genes").click()
    page.get_by_text(f"{len(GENES)} of {len(GENES)} genes").wait_for()
    page.get_by_role("tab", name="Model card").click()
    page.get_by_role("columnheader", name="mean profile, no image").wait_for()
    page.get_by_text("This model has no prediction intervals").wait_for()
