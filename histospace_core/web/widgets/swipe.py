"""Two maps of the same spots in one picture, with a divider to drag."""

from typing import Any

import numpy as np
import numpy.typing as npt

from histospace_core.figures.canvas import Canvas, view_box
from histospace_core.figures.colours import colour_table
from histospace_core.web.widgets.components import component

Half = tuple[str, npt.NDArray[np.float32], tuple[float, float]]
"""Name of a map, its values (n,), and the ends of its colour scale."""
_COLOURS = 64


def swipe(
    key: str,
    canvas: Canvas,
    centres: npt.NDArray[np.float64],
    halves: tuple[Half, Half],
    *,
    diameter: float,
    label: str,
    unit: str,
    scale: str,
) -> None:
    """Show one map left of a divider and one right of it; pointer or arrow keys move it.

    Parameters
    ----------
    key : str
        Key of the component.
    canvas : Canvas
        The slide under the spots.
    centres : ndarray of float64, shape (n, 2)
        Spot centres, level-0 px.
    halves : tuple
        The left map and the right one.
    diameter : float
        Diameter of a spot, level-0 px.
    label, unit : str
        Name and unit of the values.
    scale : str
        One of `figures.colours.SCALES`.
    """
    left, right = halves
    data = {
        "image": canvas.image_url,
        "width": canvas.width,
        "height": canvas.height,
        "view": view_box(canvas, centres, diameter),
        "spots": np.round(centres, 1).tolist(),  # tenths of a px keep the message short
        "radius": diameter / 2,
        "palette": [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colour_table(scale, _COLOURS)],
        "label": label,
        "unit": unit,
        "shared": left[2] == right[2],
        "left": _half(*left),
        "right": _half(*right),
    }
    component("swipe")(key=key, data=data)


def _half(
    name: str, values: npt.NDArray[np.float32], limits: tuple[float, float]
) -> dict[str, Any]:
    low, high = limits
    place = np.clip((values - low) / max(high - low, 1e-12), 0, 1)  # a constant map has no range
    colours = np.rint(place * (_COLOURS - 1)).astype(int).tolist()
    return {"name": name, "low": f"{low:.3g}", "high": f"{high:.3g}", "colours": colours}
