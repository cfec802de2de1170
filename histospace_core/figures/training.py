"""Figure of the training loss by epoch."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from .canvas import MODEBAR
from .colours import INSIDE, NEUTRAL


def loss_curves(points: pd.DataFrame, *, height: int = 280) -> go.Figure:
    """Draw the loss of one stage with a line for each part (fold); the last part is highlighted.

    Parameters
    ----------
    points : DataFrame
        Columns `part`, `epoch`, `loss`, `held_out_loss` (NaN where there is none), in the order of
        training.
    height : int
        Height of the figure, screen px.
    """
    figure = go.Figure()
    parts = list(dict.fromkeys(points["part"]))
    for part in parts:
        lines = points[points["part"] == part]
        latest = part == parts[-1]
        line = {"color": INSIDE if latest else NEUTRAL, "width": 2.5 if latest else 1.2}
        name = str(part) or "training"
        figure.add_trace(_line(lines["epoch"], lines["loss"], name, line))
        if lines["held_out_loss"].notna().any():
            line, name = {**line, "dash": "dash"}, f"{name}, held out within training"
            figure.add_trace(_line(lines["epoch"], lines["held_out_loss"], name, line))
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        modebar=MODEBAR,
        uirevision="loss",  # keeps the user's zoom when a new epoch is added
        showlegend=True,
        legend={"orientation": "h", "y": -0.36, "yanchor": "top"},
        xaxis={"title": "epoch", "tickformat": "d", "dtick": _whole_steps(points["epoch"].max())},
        yaxis={"title": "loss", "rangemode": "tozero"},
    )
    return figure


def _whole_steps(last: float) -> int | None:
    """Return the distance between ticks; with few epochs, Plotly would use fractions of one."""
    return 1 if last <= 10 else None


def _line(x: pd.Series, y: pd.Series, name: str, line: Mapping[str, object]) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        marker={"size": 5},
        line=line,
        name=name,
        hovertemplate=f"{name}<br>epoch %{{x}}: loss %{{y:.4f}}<extra></extra>",
    )
