"""Figures of domains, markers and signatures: what is drawn is what was found."""

import numpy as np
import pandas as pd
from heldout import lattice

from histospace_core.figures.canvas import Canvas
from histospace_core.figures.characterisation import (
    domain_colour,
    domain_map,
    marker_figure,
    signature_figure,
)
from histospace_core.figures.colours import FOREIGN

NAMES = ["D1: Stroma", "D2"]


def test_each_domain_is_one_trace_and_foreign_tiles_are_grey() -> None:
    centres = lattice(4)
    labels = np.array([0] * 8 + [1] * 7 + [-1])
    foreign = np.arange(16) < 2
    drawn = domain_map(
        Canvas(2000, 2000, 0.5), centres, labels, NAMES, tile=290, stride=290, foreign=foreign
    )
    assert [t.name for t in drawn.data] == [*NAMES, "unlike the training tissue"]
    assert [int(np.isfinite(np.asarray(t.z)).sum()) for t in drawn.data] == [6, 7, 2]
    assert drawn.data[0].colorscale[0][1] == domain_colour(0)
    assert drawn.data[2].colorscale[0][1] == FOREIGN


def test_markers_have_their_interval_and_open_circles_where_not_called() -> None:
    table = pd.DataFrame(
        {
            "region": ["0", "0", "1"],
            "gene": ["A", "B", "A"],
            "difference": [1.0, 0.5, -1.0],
            "ci_low": [0.5, -0.5, -1.5],
            "ci_high": [1.5, 1.5, -0.5],
            "q_value": [0.01, 0.6, 0.01],
        }
    )
    drawn = marker_figure(table, NAMES, unit="log10")
    assert list(drawn.data[0].y) == ["B · D1: Stroma", "A · D1: Stroma"]
    assert list(drawn.data[0].marker.symbol) == ["circle-open", "circle"]
    np.testing.assert_allclose(drawn.data[0].error_x.array, [1.0, 0.5])
    assert len(drawn.data) == 1, "D2 has no gene that is raised"


def test_a_signature_that_was_not_scored_is_bare() -> None:
    scores = np.column_stack([[1.0, 1, -1, -1], [np.nan] * 4])
    drawn = signature_figure(scores, np.array([0, 0, 1, 1]), ["Stroma", "Fat"], NAMES)
    np.testing.assert_array_equal(drawn.data[0].z, [[1, -1], [np.nan, np.nan]])
    assert drawn.data[0].zmax == -drawn.data[0].zmin
