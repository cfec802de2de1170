"""Figures of predicted and measured expression: maps of spots, their difference, a scatter plot."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from scipy.ndimage import gaussian_filter

from .canvas import MODEBAR, Canvas, colour_bar, slide_figure, view_box
from .colours import INSIDE, NEUTRAL, robust_limits

#: Typical width of a map, screen px. The size of a spot is computed from it, because Plotly sizes
#: markers in screen px, not in level-0 px.
NOMINAL_WIDTH = 420.0


def shared_limits(
    measured: npt.NDArray[np.float32], predicted: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Return colour limits for both maps, which include the robust limits of each."""
    one, other = robust_limits(measured), robust_limits(predicted)
    return min(one[0], other[0]), max(one[1], other[1])


def balanced_limits(difference: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return robust colour limits that are symmetric around zero."""
    reach = max(abs(limit) for limit in robust_limits(difference))
    return -reach, reach


def local_density(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], *, bins: int = 60
) -> npt.NDArray[np.float64]:
    """Return the local density of points around each point, as a share of the highest.

    The density is a histogram of `bins` x `bins`, smoothed by a Gaussian of 1.5 bins.
    """
    counts, *edges = np.histogram2d(x, y, bins)
    smooth = gaussian_filter(counts, 1.5)
    column, row = (
        # the last bin of a histogram includes its right edge
        np.clip(np.searchsorted(edge, values, "right") - 1, 0, bins - 1)
        for edge, values in zip(edges, (x, y), strict=True)
    )
    density = smooth[column, row]
    return density / density.max()


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
    centres : (n, 2), level-0 px
        Centres of the spots.
    values : (n,)
    diameter : float
        Diameter of a spot, level-0 px.
    label, unit : str
        Name and unit of the values.
    limits : tuple of float
        Ends of the colour scale.
    scale : str
        One of `figures.colours.SCALES`, or `DIVERGING`.
    selected : sequence of int, optional
        Spots to highlight; the others fade.
    height : int
        Height of the figure, screen px.
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
                "colorbar": colour_bar(label, unit),
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
    mean_profile: float | None = None,
    selected: Sequence[int] | None = None,
    height: int = 380,
) -> go.Figure:
    """Draw predicted against measured expression, one point per spot, with the line of equality.

    The colour of a point is the local density of points.

    Parameters
    ----------
    measured, predicted : (n,)
    gene, unit : str
    mean_profile : float, optional
        The gene's mean over the training spots, drawn as a line. It is what the mean profile
        predicts, which uses no image.
    selected : sequence of int, optional
        Spots to highlight; the others fade.
    height : int
        Height of the figure, screen px.
    """
    low, high = shared_limits(measured, predicted)
    pool = np.concatenate([measured, predicted])
    low, high = min(low, float(np.nanmin(pool))), max(high, float(np.nanmax(pool)))
    figure = go.Figure()
    figure.add_trace(
        go.Scattergl(
            x=measured,
            y=predicted,
            mode="markers",
            marker={
                "size": 7,
                # The root keeps the many spots with zero counts from dominating the scale.
                "color": np.sqrt(local_density(measured, predicted)),
                "colorscale": "Viridis",
                "opacity": 0.8,
            },
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
    if mean_profile is not None:
        figure.add_hline(
            mean_profile,
            line={"dash": "dash", "color": INSIDE, "width": 1.5},
            annotation={"text": "mean profile, no image", "font": {"size": 11, "color": INSIDE}},
            annotation_position="top left",
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
    """Return the points for Plotly, or None if there are none; an empty list would fade all."""
    return list(selected) if selected is not None and len(selected) else None
