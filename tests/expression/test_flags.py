"""Yes or no in the spellings of other programs."""

from pathlib import Path

import numpy as np
import pytest

from histospace_core.errors import MeasurementError
from histospace_core.expression.flags import read_flags


@pytest.mark.parametrize(
    "values",
    [
        [1, 0],
        [1.0, 0.0],
        [True, False],
        ["TRUE", " false "],
        ["Yes", "NO"],
        ["t", "F"],
        ["1,0", "0"],
    ],
)
def test_spellings(values: list[object]) -> None:
    flags = read_flags(values, "in_tissue", ["a", "b"], Path("s.csv"))
    assert flags.dtype == bool
    assert flags.tolist() == [True, False]


@pytest.mark.parametrize("value", ["2", "", "maybe", np.nan, -1])
def test_anything_else_is_refused_by_name(value: object) -> None:
    with pytest.raises(MeasurementError, match=r"s\.csv: in_tissue of spot b is '.*', which is"):
        read_flags([1, value], "in_tissue", ["a", "b"], Path("s.csv"))
