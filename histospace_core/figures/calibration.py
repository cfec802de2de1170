"""The calibration of intervals: the share of values they contain, beside the promised share."""

from collections.abc import Sequence

import plotly.graph_objects as go

from .canvas import MODEBAR
from .colours import NEUTRAL, OUTSIDE


def calibration(curve: Sequence[Sequence[float]], *, height: int = 320) -> go.Figure:
    """Draw measured against nominal coverage, with the line of a perfect calibration.

    Parameters
    ----------
    curve : sequence of (nominal, measured)
        Shares from 0 to 1.
    height : int
        Height of the figure, screen px.
    """
    nominal, measured = zip(*curve, strict=True)
    figure = go.Figure(
        go.Scatter(
            x=nominal,
            y=measured,
            mode="lines+markers",
            marker={"size": 8, "color": OUTSIDE},
            line={"color": OUTSIDE},
            hovertemplate="promised %{x:.0%}, measured %{y:.0%}<extra></extra>",
        )
    )
    whole = {"x0": 0, "y0": 0, "x1": 1, "y1": 1}
    figure.add_shape(type="line", **whole, line={"dash": "dot", "color": NEUTRAL}, layer="below")
    figure.add_annotation(
        x=0.3, y=0.3, text="as promised", showarrow=False, xanchor="left", yanchor="top",
        font={"color": NEUTRAL},
    )  # fmt: skip
    axis = {"range": [0, 1], "tickformat": ".0%", "dtick": 0.2}
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 24, "t": 36, "b": 0},  # the mode bar lies above the curve
        modebar=MODEBAR,
        showlegend=False,
        xaxis={**axis, "title": "promised share of measured values"},
        yaxis={**axis, "title": "share in the interval"},
    )
    return figure
