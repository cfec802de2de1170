"""Figure of measured spots over the slide, before a comparison: which spots are on tissue."""

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from .canvas import Canvas, slide_figure
from .colours import INSIDE, OUTSIDE


def placement_map(
    canvas: Canvas,
    centres: npt.NDArray[np.float64],
    on_tissue: npt.NDArray[np.bool_],
    *,
    height: int = 460,
) -> go.Figure:
    """Draw spot centres over the whole slide: discs on tissue, crosses off tissue.

    Parameters
    ----------
    canvas : Canvas
    centres : (n, 2), level-0 px
        Centres of the spots. Spots outside the slide extend the view by at most the slide's size.
    on_tissue : bool, (n,)
    height : int
        Height of the figure, screen px.
    """
    size = np.array([canvas.width, canvas.height])
    margin = 0.02 * size
    # Bounded, because wrong positions can be so far away that the slide would be a dot.
    low = np.maximum(np.minimum(centres.min(axis=0) - margin, 0), -size)
    high = np.minimum(np.maximum(centres.max(axis=0) + margin, size), 2 * size)
    x0, y0, x1, y1 = (float(v) for v in (*low, *high))
    figure = slide_figure(canvas, (x0, y0, x1, y1), height=height)
    corners = {"x0": 0, "y0": 0, "x1": canvas.width, "y1": canvas.height}
    figure.add_shape(type="rect", **corners, line={"color": OUTSIDE, "width": 1})
    for name, members, colour, symbol in (
        ("on tissue", on_tissue, OUTSIDE, "circle"),
        ("off tissue", ~on_tissue, INSIDE, "x"),
    ):
        figure.add_trace(
            go.Scattergl(
                x=centres[members, 0],
                y=centres[members, 1],
                mode="markers",
                name=f"{name}: {int(members.sum()):,}",
                marker={"size": 6, "color": colour, "symbol": symbol},
                hovertemplate=f"{name}, x %{{x:.0f}} px, y %{{y:.0f}} px<extra></extra>",
            )
        )
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"}
    )
    return figure
