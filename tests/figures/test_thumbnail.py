import numpy as np

from histospace_core.figures.thumbnail import OUTLINE, outline_tissue


def test_outline_runs_around_the_tissue_and_leaves_it_as_it_was():
    picture = np.full((120, 160, 3), 200, np.uint8)
    mask = np.zeros((30, 40), bool)
    mask[10:20, 10:30] = True
    drawn = outline_tissue(picture, mask)
    line = (drawn == OUTLINE).all(axis=-1)
    rows, columns = np.nonzero(line)
    assert abs(rows.min() - 40) <= 2
    assert abs(rows.max() - 79) <= 2
    assert abs(columns.min() - 40) <= 2
    assert abs(columns.max() - 119) <= 2
    assert (drawn[60, 80] == 200).all(), "tissue keeps its colour"
    assert (drawn[5, 5] < 200).all(), "glass is dimmed"
    assert (picture == 200).all(), "the picture given is not changed"
