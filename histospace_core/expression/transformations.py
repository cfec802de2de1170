"""Coordinate transformations of SpatialData elements, as matrices of x and y.

SpatialData writes them as a draft of OME-NGFF 0.5 defined them:
https://spatialdata.scverse.org/en/stable/design_doc.html#coordinate-systems-and-transformations
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix3 = NDArray[np.float64]


def systems(transformations: Sequence[dict[str, Any]]) -> dict[str, Matrix3]:
    """Return the matrix (3, 3) that leads from an element to each of its coordinate systems.

    Raises
    ------
    ValueError, KeyError
        A transformation is of a kind that SpatialData does not write, or mixes x and y with
        another axis.
    """
    return {str(t["output"]["name"]): matrix(t, _axes(t, "input")) for t in transformations}


def matrix(transformation: dict[str, Any], axes: Sequence[str]) -> Matrix3:
    """Return one transformation as an affine matrix (3, 3) that acts on (x, y, 1).

    Parameters
    ----------
    axes
        Names of the input axes, for a transformation that does not name its own.
    """
    kind = transformation["type"]
    axes = _axes(transformation, "input") or axes
    x, y = axes.index("x"), axes.index("y")
    result = np.eye(3)
    if kind == "scale":
        scale = transformation["scale"]
        result[0, 0], result[1, 1] = scale[x], scale[y]
    elif kind == "translation":
        shift = transformation["translation"]
        result[0, 2], result[1, 2] = shift[x], shift[y]
    elif kind == "affine":
        rows = np.array(transformation["affine"], dtype=np.float64)
        out = _axes(transformation, "output") or axes
        rows = rows[[out.index("x"), out.index("y")]]
        others = [i for i, axis in enumerate(axes) if axis not in "xy"]
        if rows.shape[1] != len(axes) + 1 or rows[:, others].any():
            raise ValueError("an affine transformation mixes x and y with another axis")
        result[:2] = rows[:, [x, y, len(axes)]]
    elif kind == "mapAxis":
        source = transformation["mapAxis"]
        order = [("x", "y").index(source["x"]), ("x", "y").index(source["y"])]
        result[:2] = np.eye(3)[order]
    elif kind == "sequence":
        for step in transformation["transformations"]:
            result = matrix(step, axes) @ result
            axes = _axes(step, "output") or axes
    elif kind != "identity":
        raise ValueError(f"the transformation '{str(kind)[:40]}' is not known")
    if not np.isfinite(result).all():
        raise ValueError("a transformation holds a value that is not a number")
    return result


def _axes(transformation: dict[str, Any], side: str) -> list[str]:
    system = transformation.get(side)
    return [str(axis["name"]) for axis in system["axes"]] if isinstance(system, dict) else []
