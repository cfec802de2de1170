"""The scale of certainty beside the map, and the map averaged to it."""

import numpy as np
import pytest
from builders.finished_runs import GENES, add_run, add_slide
from builders.slide_files import make_slide
from streamlit.testing.v1 import AppTest

from histospace_core.errors import StoreError
from histospace_core.server.tiles import averaged_layer
from histospace_core.web.gene_map.confirmed import confirmed_scale


def page() -> None:
    import streamlit as st

    from histospace_core.server import get_context
    from histospace_core.web.gene_map.confirmed import scale_of_certainty, shown_scale

    context = get_context()
    (run,) = context.catalog.runs()
    prediction = context.tiles.open_run(run.id).prediction
    gene = st.selectbox("gene", prediction.genes)
    scale_of_certainty(run.id, prediction, gene)
    st.caption(shown_scale(run.id, prediction, gene))


@pytest.fixture
def run(server, tmp_path):
    return add_run(server.context, add_slide(server.context, make_slide(tmp_path / "slide.png")))


def test_the_map_is_averaged_to_what_was_confirmed_only_if_asked(server, run) -> None:
    app = AppTest.from_function(page).run()
    assert not app.exception
    assert "when averaged within 200 µm" in app.markdown[0].value
    assert app.caption[0].value == "tile"
    app.toggle[0].set_value(True).run()
    assert app.caption[0].value == "200 um"
    assert app.query_params["average"] == "on"


def test_an_unconfirmed_pattern_is_said_to_be_one(server, run) -> None:
    app = AppTest.from_function(page).run()
    app.selectbox[0].set_value(GENES[1]).run()
    assert "The pattern of this map was not confirmed" in app.markdown[0].value


def test_an_older_model_says_nothing(server, run) -> None:
    prediction = server.context.tiles.open_run(run.id).prediction
    del prediction.record.model.metrics["interval"]["autocorrelation"]
    assert confirmed_scale(prediction, GENES[0]) is None
    app = AppTest.from_function(page).run()
    assert not app.markdown
    assert "does not state" in app.caption[0].value
    assert app.caption[1].value == "tile"


def test_averaged_maps_keep_the_mean_and_lose_the_detail(server, run) -> None:
    tiles = server.context.tiles
    own, near, whole = (
        tiles.layer(run.id, averaged_layer(GENES[0], scale))
        for scale in ("tile", "200 um", "slide")
    )
    known = np.isfinite(own)
    assert (np.isfinite(near) == known).all()
    assert (np.isfinite(whole) == known).all()
    # tiles of 50 um: the middle one is the mean of all within 250 um
    distance = np.hypot(*np.indices(own.shape) - np.array([4, 6])[:, None, None])
    assert near[4, 6] == pytest.approx(own[(distance <= 5) & known].mean(), abs=1e-5)
    assert np.ptp(whole[known]) < 1e-6
    assert whole[known][0] == pytest.approx(own[known].mean(), abs=1e-5)
    with pytest.raises(StoreError, match="cannot be averaged"):
        tiles.layer(run.id, "averaged:1 mm:ERBB2")
