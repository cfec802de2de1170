"""Regions beside the map: two windows on one run, links, outlines."""

import numpy as np
import pytest
from builders.finished_runs import TILE, add_run, add_slide
from builders.slide_files import make_slide
from streamlit.testing.v1 import AppTest

from histospace_core.catalog import NewRegion, RegionRow
from histospace_core.web.gene_map import regions

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [300, 0], [300, 300], [0, 300], [0, 0]]]}


def page() -> None:
    import streamlit as st

    from histospace_core.server import get_context
    from histospace_core.web.gene_map import regions
    from histospace_core.web.gene_map.region_panel import region_panel

    context = get_context()
    (run,) = context.catalog.runs()
    rows = context.catalog.regions(run.id)
    row = regions.selected_region(run.id, rows)
    region_panel(run, context.tiles.open_run(run.id).prediction, rows, row)
    points = [[0, 0], [500, 0], [500, 500], [0, 500]]
    st.button("draw", on_click=regions.report_errors, args=(run.id, regions.take_drawing, points))
    st.button("slip", on_click=regions.report_errors, args=(run.id, regions.take_drawing, [[1, 1]]))


@pytest.fixture
def run(server, tmp_path):
    slide = add_slide(server.context, make_slide(tmp_path / "slide.png"))
    run = add_run(server.context, slide)
    server.context.catalog.add_regions(run.id, [NewRegion("Tumor", "#d55e00", SQUARE)])
    return run


@pytest.fixture
def saved(server, run):
    def read() -> list[RegionRow]:
        return list(server.context.catalog.regions(run.id))

    return read


def window(region: str = "") -> AppTest:
    app = AppTest.from_function(page)
    if region:
        app.query_params["region"] = region
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> None:
    (button,) = [b for b in app.button if b.label == label]
    button.click().run()
    assert not app.exception


def test_a_link_picks_its_region_and_a_dead_one_is_said(saved):
    (tumor,) = saved()
    app = window(tumor.region_id)
    assert app.selectbox[0].value == tumor.region_id
    assert "9 of 96 tiles" in app.caption[0].value
    dead = window("0000")
    assert "was deleted" in dead.warning[0].value
    assert dead.selectbox[0].value == regions.ALL


def test_of_two_windows_the_second_is_told_and_its_drawing_kept(saved):
    (tumor,) = saved()
    one, two = window(tumor.region_id), window(tumor.region_id)
    press(two, "Redraw")
    assert "new outline of Tumor" in two.info[0].value
    one.text_input[0].set_value("Core").run()
    assert [row.name for row in saved()] == ["Core"]
    press(two, "draw")
    assert "changed in another window" in two.error[0].value.replace("\\", "")
    assert [row.name for row in saved()] == ["Core", "Tumor"], "nothing is lost"
    assert two.selectbox[0].value == saved()[1].region_id

    press(one, "Delete")  # the list it shows is out of date, the region is not
    assert [row.name for row in saved()] == ["Tumor"]
    stale = [b.label for b in two.button if b.label.startswith("Undo")]
    press(two, stale[0])
    assert "nothing was undone" in two.error[0].value
    press(two, "Undo deleting Core")
    assert [row.name for row in saved()] == ["Core", "Tumor"]


def test_a_renamed_region_stays_picked_and_a_slip_of_the_hand_is_said(saved):
    app = window(saved()[0].region_id)
    app.text_input[0].set_value("Core").run()
    press(app, "slip")
    assert "has no area" in app.error[0].value
    assert app.selectbox[0].value == saved()[0].region_id
    app.selectbox[0].select(regions.ALL).run()
    assert "region" not in app.query_params


def test_outlines_of_very_many_points_are_thinned_for_the_eye_only():
    angle = np.linspace(0, 2 * np.pi, 60_000)
    ring = 20 * TILE * np.column_stack([np.cos(angle), np.sin(angle)])
    shape = {"type": "Polygon", "coordinates": [np.vstack([ring, ring[:1]]).tolist()]}
    row = RegionRow(id=1, run_id="r", name="a", colour="#000000", shape=shape)
    (drawn,) = regions.outlines([row], row)
    assert drawn["path"].count("L") < 20_000
    x, y = np.array([p.split() for p in drawn["path"][1:-1].split("L")], float).T
    np.testing.assert_allclose(np.hypot(x, y), 20 * TILE, atol=1.5)
