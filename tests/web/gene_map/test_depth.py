"""The interval of a gene in the map: of expression itself, and at a depth that the user chooses."""

import numpy as np
import pytest
from builders.finished_runs import GENES, add_run, add_slide
from builders.slide_files import make_slide
from streamlit.testing.v1 import AppTest

from histospace_core.web.gene_map.depth import interval_table


def page() -> None:
    from builders.finished_runs import GENES

    from histospace_core.server import get_context
    from histospace_core.web.gene_map.depth import depth_slider

    context = get_context()
    (run,) = context.catalog.runs()
    depth_slider(run.id, context.tiles.open_run(run.id).prediction, GENES[0])


@pytest.fixture
def run(server, tmp_path):
    return add_run(server.context, add_slide(server.context, make_slide(tmp_path / "slide.png")))


def test_the_slider_says_what_the_interval_is(server, run) -> None:
    app = AppTest.from_function(page).run()
    assert not app.exception
    (slider,) = app.select_slider
    assert slider.value is None
    assert "the true value lies between" in app.markdown[0].value
    slider.set_value(20_000).run()
    assert "a measurement of 20,000 counts lies between" in app.markdown[0].value
    slider.set_value(500).run()
    assert "so few counts seldom hold this gene" in app.markdown[0].value
    assert "Seven patients were counted" in app.caption[0].value


def test_ends_rise_with_the_prediction_and_enclose_the_middle(server, run) -> None:
    prediction = server.context.tiles.open_run(run.id).prediction
    itself, few = (interval_table(prediction, GENES[0], depth) for depth in (None, 500))
    assert itself is not None
    assert few is not None
    for table in (itself, few):
        assert (np.diff(table["values"]) > 0).all()
        assert (np.diff(table["low"]) >= 0).all()
        assert (np.array(table["low"]) <= np.array(table["high"])).all()
    assert few["what"] == "90% interval at 500 counts"
    seen = np.array(few["high"])
    assert (seen[seen > 0] >= np.log10(1 + 1e4 / 500) - 1e-3).all(), "one count of 500, or none"
    assert np.mean(few["low"]) <= np.mean(itself["low"])


def test_a_gene_without_a_level_has_no_interval(server, run) -> None:
    assert interval_table(server.context.tiles.open_run(run.id).prediction, GENES[2], None) is None


def test_a_map_outside_its_interval_is_explained(server, run) -> None:
    prediction = server.context.tiles.open_run(run.id).prediction
    prediction.var.loc[GENES[0], "level_log10_cp10k"] = 3.0
    app = AppTest.from_function(page).run()
    assert "The map lies outside" in app.markdown[1].value
