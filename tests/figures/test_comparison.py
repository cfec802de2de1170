import numpy as np

from histospace_core.figures.canvas import Canvas
from histospace_core.figures.comparison import (
    balanced_limits,
    local_density,
    scatter,
    shared_limits,
    spot_map,
)
from histospace_core.figures.placement import placement_map

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


def test_a_difference_has_zero_in_the_middle_of_its_scale():
    low, high = balanced_limits(np.float32([-3, 0, 1, 1, 1, 1]))
    assert low == -high
    assert 2 < high <= 3


def test_density_is_highest_where_points_are_crowded_and_any_points_have_one():
    crowd, alone = np.zeros(99, np.float32), np.float32([10])
    density = local_density(np.r_[crowd, alone], np.r_[crowd, alone])
    assert density[0] == 1
    assert 0 < density[-1] < 0.1
    same = local_density(np.ones(3, np.float32), np.ones(3, np.float32))
    np.testing.assert_array_equal(same, 1)


def test_scatter_shows_what_the_mean_profile_predicts():
    figure = scatter(MEASURED, PREDICTED, gene="ERBB2", unit="u", mean_profile=0.8)
    flat = [line for line in figure.layout.shapes if line.y0 == line.y1 == 0.8]
    assert len(flat) == 1
    assert "mean profile" in figure.layout.annotations[0].text


def test_spots_beside_the_tissue_and_the_slide_are_drawn_and_counted():
    far = np.vstack([CENTRES, [[-300, 500]], [[1e7, 0]]])
    on = np.arange(len(far)) < 40
    figure = placement_map(Canvas(1000, 1000), far, on)
    assert [trace.name for trace in figure.data] == ["on tissue: 40", "off tissue: 12"]
    low, high = figure.layout.xaxis.range
    assert low == -320
    assert high == 2000, "a spot at the other end of the world does not shrink the slide to a dot"
