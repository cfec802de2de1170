"""The picture of a region against the rest."""

import numpy as np
import pandas as pd

from histospace_core.figures.region import volcano

TABLE = pd.DataFrame(
    {
        "gene": ["UP", "DOWN", "FLAT", "CONSTANT"],
        "difference": [0.5, -0.4, 0.01, 0.0],
        "ci_low": [0.3, -0.6, -0.1, np.nan],
        "ci_high": [0.7, -0.2, 0.1, np.nan],
        "p_value": [0.001, 1e-60, 0.6, np.nan],
        "q_value": [0.01, 1e-30, 0.8, np.nan],
        "naive_p_value": [1e-9, 1e-60, 0.3, np.nan],
        "reliable": [True, False, True, True],
    }
)


def test_genes_stand_where_their_difference_and_p_value_are():
    higher, lower, rest = volcano(TABLE, region="Core", unit="counts").data
    np.testing.assert_allclose([*higher.x, *higher.y], [0.5, 3])
    np.testing.assert_allclose([*lower.x, *lower.y], [-0.4, 40], err_msg="p has an end on the axis")
    assert (higher.text[0], lower.text[0], rest.text[0]) == ("UP", "DOWN †", "")
    assert higher.name == "higher in Core (1)"
    assert higher.marker.symbol != lower.marker.symbol, "colour is not needed"
    assert len(rest.x) == 1, "a gene that was not tested is not drawn"


def test_a_name_that_came_in_a_file_is_shown_letter_by_letter():
    higher, *_ = volcano(TABLE, region="<a href='x'>y</a>", unit="counts").data
    assert "<" not in higher.name


def test_without_a_called_gene_it_can_be_drawn():
    figure = volcano(TABLE.assign(q_value=0.9), region="Core", unit="counts")
    assert [len(trace.x) for trace in figure.data] == [0, 0, 4]
