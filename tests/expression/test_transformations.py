import numpy as np
import pytest

from histospace_core.expression.transformations import matrix, systems


def _axes(names: str) -> dict[str, object]:
    return {"name": names, "axes": [{"name": name} for name in names]}


def test_a_sequence_acts_in_its_order_and_by_the_names_of_axes() -> None:
    steps = [
        {"type": "scale", "scale": [1, 3, 2]},  # y by 3, x by 2
        {"type": "mapAxis", "mapAxis": {"x": "y", "y": "x", "c": "c"}},
        {"type": "translation", "translation": [0, 5, 7]},
        {
            "type": "affine",
            "affine": [[0, 1, 2, 10], [0, 3, 4, 20]],
            "output": _axes("yx"),
        },
    ]
    found = matrix({"type": "sequence", "transformations": steps}, ["c", "y", "x"])
    x, y = 11.0, 13.0
    x, y = 3 * y, 2 * x
    x, y = x + 7, y + 5
    expected = (3 * y + 4 * x + 20, y + 2 * x + 10)
    np.testing.assert_allclose((found @ [11, 13, 1])[:2], expected)


def test_each_coordinate_system_by_name() -> None:
    found = systems(
        [
            {"type": "identity", "input": _axes("xy"), "output": {"name": "a", "axes": []}},
            {"type": "scale", "scale": [2, 4], "input": _axes("xy"), "output": {"name": "b"}},
        ]
    )
    np.testing.assert_array_equal(found["a"], np.eye(3))
    np.testing.assert_array_equal(found["b"], np.diag([2, 4, 1]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "displacements"},
        {"type": "affine", "affine": [[1, 0, 5, 0], [0, 1, 0, 0], [0, 0, 1, 0]]},
        {"type": "scale", "scale": [float("nan"), 1, 1]},
    ],
)
def test_what_is_not_a_transformation_of_x_and_y_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not known|another axis|not a number"):
        matrix(wrong, ["x", "y", "z"])
