"""Figure of one value per tile over the slide, in tiles of true size."""

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from .canvas import Canvas, colour_bar, slide_figure, view_box
from .colours import OUT_OF_DOMAIN, robust_limits
from .grid import TileGrid, tile_grid


def overlay(
    canvas: Canvas,
    centres: npt.NDArray[np.float64],
    values: npt.NDArray[np.float32],
    *,
    tile: float,
    stride: float,
    label: str,
    unit: str,
    scale: str = "Viridis",
    limits: tuple[float, float] | None = None,
    opacity: float = 0.7,
    out_of_domain: npt.NDArray[np.bool_] | None = None,
    height: int = 600,
) -> go.Figure:
    """Draw one value per tile over the slide.

    Parameters
    ----------
    canvas : Canvas
    centres : (n, 2), level-0 px
        Centres of the tiles.
    values : (n,)
        Tiles with NaN are transparent.
    tile, stride : float
        Side of a tile and stride, level-0 px.
    label, unit : str
        Name and unit of the values.
    scale : str
        One of `figures.colours.SCALES`.
    limits : tuple of float, optional
        Ends of the colour scale; by default the 2nd and 98th percentile.
    opacity : float
        Opacity of the tiles, 0 to 1.
    out_of_domain : bool, (n,), optional
        Tiles to draw in grey; their value is still shown on hover.
    height : int
        Height of the figure, screen px.

    Returns
    -------
    plotly.graph_objects.Figure
        Trace 0 has the tiles, trace 1 those that are out of domain, if there are any.
    """
    figure = slide_figure(canvas, view_box(canvas, centres, tile), height=height)
    low, high = limits or robust_limits(values)
    grid = tile_grid(centres, tile, stride)
    grey = np.zeros(len(values), bool) if out_of_domain is None else out_of_domain
    figure.add_trace(
        go.Heatmap(
            z=grid.fill(np.where(grey, np.nan, values)),
            x=grid.x_edges,
            y=grid.y_edges,
            zmin=low,
            zmax=high,
            colorscale=scale,
            opacity=opacity,
            hoverongaps=False,
            hovertemplate=(
                f"{label} <b>%{{z:.3f}}</b> {unit}"
                "<br>x %{x:.0f} px, y %{y:.0f} px<extra></extra>"
            ),
            colorbar=colour_bar(label, unit),
        )
    )
    if grey.any():
        figure.add_trace(_grey_tiles(grid, values, grey, label, unit))
    return figure


def _grey_tiles(
    grid: TileGrid,
    values: npt.NDArray[np.float32],
    grey: npt.NDArray[np.bool_],
    label: str,
    unit: str,
) -> go.Heatmap:
    """Return a trace with the tiles that are out of domain, in grey."""
    return go.Heatmap(
        z=grid.fill(np.where(grey, 0.0, np.nan)),
        customdata=grid.fill(np.where(grey, values, np.nan)),
        x=grid.x_edges,
        y=grid.y_edges,
        colorscale=[(0, OUT_OF_DOMAIN), (1, OUT_OF_DOMAIN)],
        showscale=False,
        opacity=0.75,
        hoverongaps=False,
        hovertemplate=(
            f"unlike the training tissue, so {label} %{{customdata:.3f}} {unit} is doubtful"
            "<extra></extra>"
        ),
    )
