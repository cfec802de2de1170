import numpy as np
import pandas as pd

from histospace_core.figures.colours import INSIDE, NEUTRAL
from histospace_core.figures.training import loss_curves


def points(*parts: str, held_out: float = np.nan) -> pd.DataFrame:
    rows = [
        {"part": part, "epoch": epoch, "loss": 1 / epoch, "held_out_loss": held_out}
        for part in parts
        for epoch in (1, 2, 3)
    ]
    return pd.DataFrame(rows)


def test_one_line_a_part_and_the_last_stands_out():
    figure = loss_curves(points("fold 1", "all sections"))
    assert [line.name for line in figure.data] == ["fold 1", "all sections"]
    assert [line.line.color for line in figure.data] == [NEUTRAL, INSIDE]
    np.testing.assert_allclose(figure.data[0].y, [1, 1 / 2, 1 / 3])
    assert figure.layout.xaxis.dtick == 1


def test_an_inner_loss_is_drawn_dashed_beside_its_own():
    figure = loss_curves(points("", held_out=0.5))
    assert [line.name for line in figure.data] == ["training", "training, held out within training"]
    assert figure.data[1].line.dash == "dash"
