"""Figure of the distribution of a value inside and outside a region."""

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from .colours import INSIDE, OUTSIDE


def distribution(
    values: npt.NDArray[np.float32],
    inside: npt.NDArray[np.bool_],
    *,
    label: str,
    unit: str,
    bins: int = 40,
    height: int = 240,
) -> go.Figure:
    """Draw histograms of one value per tile inside and outside a region.

    The bars are shares of each group, so that groups of different sizes can be compared.

    Parameters
    ----------
    values : ndarray of float32, shape (n,)
        Values that are not finite are left out.
    inside : ndarray of bool, shape (n,)
        Whether each tile is in the region.
    label, unit : str
        Name and unit of the values.
    bins : int
        Number of equal bins, the same for both groups.
    height : int
        Height of the figure, screen px.
    """
    finite = np.isfinite(values)
    groups = [("outside", finite & ~inside, OUTSIDE), ("inside", finite & inside, INSIDE)]
    edges = np.histogram_bin_edges(values[finite] if finite.any() else np.zeros(1), bins)
    figure = go.Figure()
    for name, members, colour in groups:
        counts, _ = np.histogram(values[members], edges)
        figure.add_trace(
            go.Bar(
                x=(edges[:-1] + edges[1:]) / 2,
                y=counts / max(int(counts.sum()), 1),
                width=np.diff(edges),
                name=name,
                marker={"color": colour, "opacity": 0.6, "line": {"width": 0}},
                hovertemplate=f"{name}: %{{y:.1%}} near %{{x:.2f}}<extra></extra>",
            )
        )
    figure.update_layout(
        barmode="overlay",
        height=height,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis_title=f"{label}, {unit}",
        yaxis={"title": "share of tiles", "tickformat": ".0%"},
    )
    return figure
