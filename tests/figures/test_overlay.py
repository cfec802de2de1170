import numpy as np

from histospace_core.figures.canvas import Canvas
from histospace_core.figures.overlay import overlay


def centres_on_grid(columns, rows, stride, origin=(64.0, 64.0)):
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    return np.column_stack([x.ravel(), y.ravel()]) * stride + np.asarray(origin)


def test_limits_default_to_robust_ones_and_obey_the_reader():
    centres = centres_on_grid(10, 10, 100.0)
    values = np.r_[np.linspace(0, 1, 99), 50.0].astype(np.float32)
    draw = {"tile": 100, "stride": 100, "label": "g", "unit": "u"}
    figure = overlay(Canvas(1000, 1000), centres, values, **draw)
    assert figure.data[0].zmax < 2
    figure = overlay(Canvas(1000, 1000), centres, values, limits=(0.0, 50.0), **draw)
    assert (figure.data[0].zmin, figure.data[0].zmax) == (0, 50)


def test_twenty_thousand_tiles_stay_one_heatmap():
    centres = centres_on_grid(200, 100, 128.0)
    values = np.random.default_rng(0).random(20_000, dtype=np.float32)
    figure = overlay(
        Canvas(26_000, 13_000), centres, values, tile=128, stride=128, label="g", unit="u"
    )
    assert figure.data[0].z.shape == (100, 200)
    np.testing.assert_array_equal(figure.data[0].z.ravel(), values)
    assert len(figure.to_json()) < 2_000_000


def test_foreign_tiles_are_grey_and_still_say_their_value() -> None:
    centres = np.array([[50.0, 50.0], [150.0, 50.0], [50.0, 150.0]])
    values = np.array([1.0, 2.0, 3.0], np.float32)
    draw = {"tile": 100.0, "stride": 100.0, "label": "ERBB2", "unit": "log10(CP10k+1)"}
    out_of_domain = np.array([False, True, False])
    figure = overlay(Canvas(200, 200), centres, values, out_of_domain=out_of_domain, **draw)
    coloured, grey = np.array(figure.data[0].z), figure.data[1]
    assert np.isnan(coloured[0, 1])
    assert coloured[1, 0] == 3
    assert np.array(grey.customdata)[0, 1] == 2
    assert np.isnan(np.array(grey.z)[0, 0])
    plain = overlay(
        Canvas(200, 200), centres, values, out_of_domain=np.zeros_like(out_of_domain), **draw
    )
    assert len(plain.data) == 1
