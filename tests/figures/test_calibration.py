"""The picture of calibration shows both shares and the line between right and wrong."""

from histospace_core.figures.calibration import calibration


def test_nominal_and_measured_shares_are_drawn_beside_the_diagonal() -> None:
    figure = calibration([[0.5, 0.45], [0.9, 0.88]])
    (curve,) = figure.data
    assert list(curve.x) == [0.5, 0.9]
    assert list(curve.y) == [0.45, 0.88]
    (line,) = figure.layout.shapes
    assert (line.x0, line.y0, line.x1, line.y1) == (0, 0, 1, 1)
    assert list(figure.layout.xaxis.range) == list(figure.layout.yaxis.range) == [0, 1]
