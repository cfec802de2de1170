import numpy as np
import pandas as pd
import pytest

from histospace_core.figures.colours import INSIDE
from histospace_core.figures.scores import ceiling_spread, model_scatter, ranking, score_spread


def texts(figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def test_every_gene_is_in_a_bar_beside_baseline_mean_and_ceiling():
    figure = score_spread(np.array([-0.1, 0.2, 0.5, np.nan]), ceiling=0.6)
    assert figure.data[0].y.sum() == 3
    assert texts(figure) == ["mean profile, no image: 0", "mean 0.20", "ceiling 0.60"]
    assert [line.x0 for line in figure.layout.shapes] == pytest.approx([0, 0.2, 0.6])
    assert figure.data[0].x.max() < 0.62


def test_a_ceiling_of_each_gene_is_a_second_histogram_on_the_same_bins():
    figure = score_spread([0.1, 0.2], ceiling=[0.4, np.nan, 0.6])
    scores, ceiling = figure.data
    assert ceiling.y.sum() == 2
    np.testing.assert_array_equal(scores.x, ceiling.x)


def test_the_r_that_the_ceiling_limits_is_drawn_where_it_is_known():
    old = pd.DataFrame({"pearson": [0.1, 0.3], "noise_ceiling": [0.4, 0.6]})
    assert "mean 0.20" in texts(ceiling_spread(old))
    new = ceiling_spread(old.assign(pearson_given_depth=[0.0, 0.1]))
    assert "mean 0.05" in texts(new)
    assert new.layout.xaxis.title.text == "per-gene r given the depth"
    assert len(ceiling_spread(old[["pearson"]]).data) == 1


def test_nothing_scored_is_an_empty_figure():
    figure = score_spread([np.nan])
    assert figure.data[0].y.sum() == 0
    assert texts(figure) == ["mean profile, no image: 0"]


def test_two_models_with_the_line_of_equality():
    genes = pd.Series(["A", "B"])
    figure = model_scatter(genes, np.array([0.1, 0.5]), np.array([0.2, -0.3]), names=("m", "n"))
    assert list(figure.data[0].text) == ["A", "B"]
    line = figure.layout.shapes[0]
    assert (line.x0, line.x1) == (line.y0, line.y1) == (-0.3, 0.5)
    assert figure.layout.xaxis.title.text.endswith("m")


def test_the_best_network_is_at_the_top_and_stands_out():
    table = pd.DataFrame(
        {
            "network": ["a", "b", "c"],
            "per_gene_pearson": [0.2, 0.3, 0.1],
            "noise_ceiling": [0.5, 0.5, 0.5],
        }
    )
    figure = ranking(table)
    assert list(figure.data[0].y) == ["c", "a", "b"]  # Plotly draws from the bottom up
    assert figure.data[0].marker.color[-1] == INSIDE
    assert texts(figure) == ["noise ceiling 0.50"]
    assert texts(ranking(table.drop(columns="noise_ceiling"))) == []
