"""Predicted beside measured: maps of spots on one colour scale, and the scatter of both."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from .canvas import MODEBAR, Canvas, slide_figure, view_box
from .colours import INSIDE, NEUTRAL, OUTSIDE, robust_limits

#: Width in screen px that a map beside another usually has; sets how large a spot is drawn.
NOMINAL_WIDTH = 420.0


def shared_limits(
    measured: npt.NDArray[np.float32], predicted: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Return one pair of colour limits for both maps: the wider of their robust limits."""
    one, other = robust_limits(measured), robust_limits(predicted)
    return min(one[0], other[0]), max(one[1], other[1])


def spot_map(
    canvas: Canvas,
    centres: npt.NDArray[np.float64],
    values: npt.NDArray[np.float32],
    *,
    diameter: float,
    label: str,
    unit: str,
    limits: tuple[float, float],
    scale: str = "Viridis",
    selected: Sequence[int] | None = None,
    height: int = 440,
) -> go.Figure:
    """Draw one value per spot over the slide.

    Parameters
    ----------
    canvas : Canvas
        The slide below.
    centres : ndarray of float64, shape (n, 2)
        Spot centres, level-0 px.
    values : ndarray of float32, shape (n,)
    diameter : float
        Of a spot, level-0 px.
    label, unit : str
        What the values are and what they are measured in.
    limits : tuple of float
        Ends of the colour scale; give both maps of a pair the same.
    scale : str
        One of :data:`~histospace_core.figures.colours.SCALES`.
    selected : sequence of int, optional
        Spots to stress; the others fade.
    height : int
        Of the figure, screen px.
    """
    view = view_box(canvas, centres, diameter)
    figure = slide_figure(canvas, view, height=height)
    size = max(4.0, NOMINAL_WIDTH * diameter / max(view[2] - view[0], 1.0))
    figure.add_trace(
        go.Scattergl(
            x=centres[:, 0],
            y=centres[:, 1],
            mode="markers",
            marker={
                "size": size,
                "color": values,
                "cmin": limits[0],
                "cmax": limits[1],
                "colorscale": scale,
                "colorbar": {
                    "title": {"text": f"{label}, {unit}", "side": "top"},
                    "orientation": "h",
                    "thickness": 12,
                    "y": -0.01,
                    "yanchor": "top",
                },
            },
            hovertemplate="%{marker.color:.3f} at x %{x:.0f} px, y %{y:.0f} px<extra></extra>",
            selectedpoints=_points(selected),
            unselected={"marker": {"opacity": 0.15}},
        )
    )
    return figure


def scatter(
    measured: npt.NDArray[np.float32],
    predicted: npt.NDArray[np.float32],
    *,
    gene: str,
    unit: str,
    selected: Sequence[int] | None = None,
    height: int = 380,
) -> go.Figure:
    """Draw predicted against measured expression, one point per spot, with the line of equality."""
    low, high = shared_limits(measured, predicted)
    pool = np.concatenate([measured, predicted])
    low, high = min(low, float(np.nanmin(pool))), max(high, float(np.nanmax(pool)))
    figure = go.Figure()
    figure.add_trace(
        go.Scattergl(
            x=measured,
            y=predicted,
            mode="markers",
            marker={"size": 7, "color": OUTSIDE, "opacity": 0.6},
            selected={"marker": {"color": INSIDE, "opacity": 0.9}},
            unselected={"marker": {"opacity": 0.2}},
            selectedpoints=_points(selected),
            hovertemplate="measured %{x:.3f}, predicted %{y:.3f}<extra></extra>",
        )
    )
    figure.add_shape(
        type="line",
        x0=low,
        y0=low,
        x1=high,
        y1=high,
        line={"dash": "dot", "color": NEUTRAL, "width": 1},
        layer="below",
    )
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        showlegend=False,
        dragmode="select",
        modebar=MODEBAR,
        xaxis_title=f"{gene} measured, {unit}",
        yaxis_title=f"{gene} predicted, {unit}",
    )
    return figure


def _points(selected: Sequence[int] | None) -> list[int] | None:
    """Return the points for Plotly; None, not an empty list, leaves all points as they are."""
    return list(selected) if selected is not None and len(selected) else None
