"""The slide under a figure: its image, a scale bar, and axes in level-0 px."""

from dataclasses import dataclass
from math import floor, log10
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from .colours import NEUTRAL

#: A toolbar without background, legible on light and dark pages and on the slide.
MODEBAR = {"bgcolor": "rgba(0,0,0,0)", "color": NEUTRAL, "activecolor": "#8a3a7b"}

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Canvas:
    """The slide that a map is drawn on.

    Attributes
    ----------
    width, height : float
        Size of the slide, level-0 px.
    mpp : float or None
        Pixel size, um per level-0 px; without it, no scale bar is drawn.
    image_url : str or None
        URL of an image of the whole slide, of any size.
    """

    width: float
    height: float
    mpp: float | None = None
    image_url: str | None = None


def view_box(canvas: Canvas, centres: npt.NDArray[np.float64], reach: float) -> Box:
    """Return ``(x0, y0, x1, y1)``: the part of the slide to show at first, level-0 px.

    It contains the tiles with a margin of `reach` plus 3 %, so that a small biopsy on a large slide
    fills the figure.
    """
    if len(centres) == 0:
        return 0.0, 0.0, canvas.width, canvas.height
    low, high = centres.min(axis=0), centres.max(axis=0)
    margin = reach + 0.03 * float((high - low).max())
    x0, y0 = (max(0.0, float(v) - margin) for v in low)
    x1, y1 = (float(v) + margin for v in high)
    return x0, y0, min(x1, canvas.width), min(y1, canvas.height)


def bar_length_um(width_um: float) -> float:
    """Return a length of 1, 2 or 5 times a power of ten, about a fifth of `width_um`."""
    target = width_um / 5
    power = 10.0 ** floor(log10(target))
    return max(step * power for step in (1, 2, 5) if step * power <= target)


def length_label(length_um: float) -> str:
    """Return ``"500 um"`` or ``"2 mm"``, with the micro sign."""
    return f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um:g} µm"


def slide_figure(canvas: Canvas, view: Box, *, height: int = 600) -> go.Figure:
    """Return an empty figure with the image of the slide and a scale bar.

    The axes are level-0 px with equal scale, x to the right and y down. The scale bar is below the
    view in data units, so it stays correct when the user zooms.
    """
    x0, y0, x1, y1 = view
    foot = 0.09 * (y1 - y0)
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        showlegend=False,
        dragmode="pan",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"align": "left"},
        modebar=MODEBAR,
    )
    hidden: dict[str, Any] = {
        "visible": False,
        "showgrid": False,
        "zeroline": False,
        "constrain": "domain",  # equal scales then shrink the plot, not change the range
    }
    figure.update_xaxes(range=[x0, x1], **hidden)
    # reversed, so that y points down
    figure.update_yaxes(range=[y1 + foot, y0], scaleanchor="x", scaleratio=1, **hidden)
    if canvas.image_url:
        figure.add_layout_image(
            source=canvas.image_url,
            xref="x",
            yref="y",
            x=0,
            y=0,
            sizex=canvas.width,
            sizey=canvas.height,
            sizing="stretch",  # the aspect of a small image differs by rounding
            layer="below",
        )
    if canvas.mpp:
        _add_scale_bar(figure, view, canvas.mpp)
    return figure


def colour_bar(label: str, unit: str) -> dict[str, Any]:
    """Return Plotly's settings of a horizontal colour bar below a map."""
    return {
        "title": {"text": f"{label}, {unit}", "side": "top"},
        "orientation": "h",
        "thickness": 12,
        "y": -0.01,
        "yanchor": "top",
    }


def _add_scale_bar(figure: go.Figure, view: Box, mpp: float) -> None:
    x0, y0, x1, y1 = view
    length_um = bar_length_um((x1 - x0) * mpp)
    y = y1 + 0.055 * (y1 - y0)
    start = x0 + 0.01 * (x1 - x0)
    figure.add_shape(
        type="line",
        x0=start,
        x1=start + length_um / mpp,
        y0=y,
        y1=y,
        line={"color": NEUTRAL, "width": 4},
        name="scale bar",
    )
    figure.add_annotation(
        x=start + length_um / mpp,
        y=y,
        text=length_label(length_um),
        showarrow=False,
        xanchor="left",
        xshift=6,
        # A background makes it legible on glass, on tissue, and on light and dark pages.
        font={"color": "#2a2433"},
        bgcolor="rgba(255,255,255,0.75)",
    )
