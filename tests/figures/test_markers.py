"""Figures of markers: order, intervals, marks."""

import numpy as np
import pandas as pd

from histospace_core.figures.markers import marker_dots, marker_figure

NAMES = ["D1: Stroma", "D2"]
TABLE = pd.DataFrame(
    {
        "region": ["0", "0", "1", "1"],
        "gene": ["A", "B", "A", "B"],
        "difference": [1.0, 0.5, -1.0, -0.5],
        "ci_low": [0.5, -0.5, -1.5, -1.5],
        "ci_high": [1.5, 1.5, -0.5, 0.5],
        "effect_size": [2.0, 1.0, -2.0, -1.0],
        "least_effect": [1.0, 0.0, -1.0, 0.0],
        "reliable": [True, False, True, False],
    }
)


def test_markers_have_their_interval_and_open_circles_where_not_clear() -> None:
    drawn = marker_figure(TABLE, NAMES, unit="log10", clear=0.5)
    assert list(drawn.data[0].y) == ["B † · D1: Stroma", "A · D1: Stroma"]
    assert list(drawn.data[0].marker.symbol) == ["circle-open", "circle"]
    np.testing.assert_allclose(drawn.data[0].error_x.array, [1.0, 0.5])
    assert len(drawn.data) == 1, "D2 has no gene that is raised"


def test_what_was_measured_is_drawn_beside() -> None:
    measured = TABLE.assign(measured_difference=0.3, measured_q_value=0.01)
    drawn = marker_figure(measured, NAMES, unit="log10", clear=0.5)
    assert drawn.data[1].marker.symbol == "diamond-open"
    assert list(drawn.data[1].x) == [0.3, 0.3]


def test_dots_show_only_what_marks_a_domain_and_nothing_of_an_open_interval() -> None:
    drawn = marker_dots(TABLE, NAMES)
    assert list(drawn.data[0].y) == ["A", "A"]
    assert list(drawn.data[0].marker.color) == [2.0, -2.0]
    np.testing.assert_allclose(drawn.data[0].marker.size, 22)
    assert list(drawn.layout.xaxis.categoryarray) == NAMES
    assert len(marker_dots(TABLE.iloc[:0], NAMES).data[0].y) == 0
