import numpy as np

from histospace_core.figures.canvas import Canvas
from histospace_core.figures.comparison import scatter, shared_limits, spot_map

RNG = np.random.default_rng(0)
MEASURED = RNG.random(50, dtype=np.float32) * 2
PREDICTED = MEASURED * 0.3 + 0.5
CENTRES = RNG.random((50, 2)) * 1000


def test_both_maps_share_the_wider_limits():
    low, high = shared_limits(MEASURED, PREDICTED)
    for values in (MEASURED, PREDICTED):
        assert low <= np.percentile(values, 2)
        assert high >= np.percentile(values, 98)


def test_selection_fades_the_other_spots_and_an_empty_one_none():
    draw = {"diameter": 100, "label": "g", "unit": "u", "limits": (0, 2)}
    figure = spot_map(Canvas(1000, 1000), CENTRES, MEASURED, selected=[1, 2], **draw)
    assert figure.data[0].selectedpoints == (1, 2)
    figure = spot_map(Canvas(1000, 1000), CENTRES, MEASURED, selected=[], **draw)
    assert figure.data[0].selectedpoints is None


def test_spots_are_larger_where_they_take_more_of_the_view():
    draw = {"label": "g", "unit": "u", "limits": (0, 2)}
    small = spot_map(Canvas(1000, 1000), CENTRES, MEASURED, diameter=10, **draw)
    large = spot_map(Canvas(1000, 1000), CENTRES, MEASURED, diameter=100, **draw)
    assert small.data[0].marker.size < large.data[0].marker.size


def test_scatter_has_measured_on_x_and_the_line_of_equality():
    figure = scatter(MEASURED, PREDICTED, gene="ERBB2", unit="log10(CP10k+1)")
    np.testing.assert_array_equal(figure.data[0].x, MEASURED)
    np.testing.assert_array_equal(figure.data[0].y, PREDICTED)
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1) == (line.y0, line.y1)
    assert line.x0 <= PREDICTED.min()
    assert "measured" in figure.layout.xaxis.title.text
