import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.expression import points_to_tiles
from histospace_core.expression.points_to_tiles import CONTROL, Genes, TileSums

place = st.tuples(
    st.floats(-50, 5_000), st.floats(-50, 5_000), st.integers(0, 6), st.integers(1, 9)
)


@given(st.lists(st.lists(place, max_size=30), max_size=4), st.floats(1, 700))
def test_sums_are_those_of_pandas(batches: list[list[tuple]], side: float) -> None:
    sums = TileSums(side)
    outside = 0
    for batch in batches:
        rows = np.array(batch, float).reshape(-1, 4)
        outside += sums.add(rows[:, :2], rows[:, 2].astype(int), rows[:, 3])
    counts, names, centres = sums.matrix(7)
    every = np.array([row for batch in batches for row in batch], float).reshape(-1, 4)
    grid = np.floor(every[:, :2] / side).astype(int)
    inside = (grid >= 0).all(1)
    assert outside == (~inside).sum()
    frame = pd.DataFrame({"x": grid[:, 0], "y": grid[:, 1], "gene": every[:, 2], "n": every[:, 3]})
    expected = frame[inside].groupby(["y", "x", "gene"])["n"].sum()
    coo = counts.tocoo()
    found = {(names[r], c): v for r, c, v in zip(coo.row, coo.col, coo.data, strict=True)}
    assert found == {(f"x{x}y{y}", g): n for (y, x, g), n in expected.items()}
    for name, centre in zip(names, centres, strict=True):
        x, y = (int(part) for part in name[1:].split("y"))
        assert tuple(centre) == ((x + 0.5) * side, (y + 0.5) * side)


def test_many_batches_are_merged_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points_to_tiles, "_MOST_SUMS", 3)
    sums = TileSums(10.0)
    for _ in range(5):
        sums.add(np.array([[5.0, 5.0], [15.0, 5.0]]), np.array([0, 1]))
    counts, names, _ = sums.matrix(2)
    assert names == ["x0y0", "x1y0"]
    np.testing.assert_array_equal(counts.toarray(), [[5, 0], [0, 5]])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e9])
def test_a_position_outside_any_slide_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="outside any slide"):
        TileSums(10.0).add(np.array([[wrong, 1.0]]), np.array([0]))


def test_controls_of_10x_are_known_by_name() -> None:
    controls = (
        "BLANK_0123", "NegControlProbe_00042", "NegControlCodeword_0500", "antisense_ACTB",
        "UnassignedCodeword_0001", "DeprecatedCodeword_0002", "Intergenic_Region_1",
    )  # fmt: skip
    assert all(CONTROL.match(name) for name in controls)
    genes = Genes()
    assert [genes.find(n) for n in ("ACTB", controls[0], "CD74", "ACTB")] == [0, -1, 1, 0]
    assert genes.names == ["ACTB", "CD74"]
    assert Genes(["ACTB"]).find("CD74") == -1
