"""Figures of domains, signatures and gradients: what is drawn is what was found."""

import numpy as np
import pandas as pd
from builders.held_out import lattice

from histospace_core.figures.canvas import Canvas
from histospace_core.figures.characterisation import (
    domain_colour,
    domain_map,
    gradient_figure,
    signature_figure,
)
from histospace_core.figures.colours import OUT_OF_DOMAIN

NAMES = ["D1: Stroma", "D2"]


def test_each_domain_is_one_trace_and_foreign_tiles_are_grey() -> None:
    centres = lattice(4)
    labels = np.array([0] * 8 + [1] * 7 + [-1])
    out_of_domain = np.arange(16) < 2
    drawn = domain_map(
        Canvas(2000, 2000, 0.5),
        centres,
        labels,
        NAMES,
        tile=290,
        stride=290,
        out_of_domain=out_of_domain,
    )
    assert [t.name for t in drawn.data] == [*NAMES, "unlike the training tissue"]
    assert [int(np.isfinite(np.asarray(t.z)).sum()) for t in drawn.data] == [6, 7, 2]
    assert drawn.data[0].colorscale[0][1] == domain_colour(0)
    assert drawn.data[2].colorscale[0][1] == OUT_OF_DOMAIN


def test_a_signature_that_was_not_scored_is_bare() -> None:
    scores = np.column_stack([[1.0, 1, -1, -1], [np.nan] * 4])
    drawn = signature_figure(scores, np.array([0, 0, 1, 1]), ["Stroma", "Fat"], NAMES)
    np.testing.assert_array_equal(drawn.data[0].z, [[1, -1], [np.nan, np.nan]])
    assert drawn.data[0].zmax == -drawn.data[0].zmin


def test_a_gradient_has_a_line_a_gene_and_its_edge() -> None:
    bands = pd.DataFrame(
        {"from_um": [-200, 0], "to_um": [0, 200], "n_tiles": [3, 4], "mean_0": [2.0, 1.0],
         "sem_0": [0.1, np.nan]}
    )  # fmt: skip
    drawn = gradient_figure(bands, ["A"], unit="log10")
    np.testing.assert_array_equal(drawn.data[0].x, [-100, 100])
    np.testing.assert_array_equal(drawn.data[0].y, [2, 1])
    assert drawn.layout.shapes[0].x0 == 0
