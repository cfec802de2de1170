"""The gene map: predicted expression in tiles of true size over the slide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from .canvas import Canvas, slide_figure, view_box
from .colours import FOREIGN, INSIDE, robust_limits

#: Number of the trace that takes box and lasso selections; its points are the tiles, in order.
SELECTABLE_TRACE = 1


@dataclass(frozen=True)
class TileGrid:
    """Tiles on their regular grid, gaps included.

    Attributes
    ----------
    x_edges, y_edges : ndarray, float64
        Edges of the cells, level-0 px.
    columns, rows : ndarray of int, shape (n,)
        The cell of each tile.
    """

    x_edges: npt.NDArray[np.float64]
    y_edges: npt.NDArray[np.float64]
    columns: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp]

    def fill(self, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return `values` (n,) as a picture, NaN where there is no tile."""
        shape = len(self.y_edges) - 1, len(self.x_edges) - 1
        picture = np.full(shape, np.nan, dtype=np.float32)
        picture[self.rows, self.columns] = values
        return picture


def _axis(positions: npt.NDArray[np.float64], side: float, stride: float) -> tuple:
    """Return the cell edges along one axis and the cell of each tile."""
    first = positions.min()
    steps = np.rint((positions - first) / stride).astype(np.intp)
    centres = first + stride * np.arange(steps.max() + 1)
    if stride - side < 1e-3 * stride:  # tiles touch: one cell per tile
        edges = np.append(centres - stride / 2, centres[-1] + stride / 2)
        return edges, steps
    edges = np.column_stack([centres - side / 2, centres + side / 2]).ravel()
    return edges, 2 * steps  # every other cell is the gap between two tiles


def tile_grid(centres: npt.NDArray[np.float64], tile: float, stride: float) -> TileGrid:
    """Lay tiles on their grid.

    Parameters
    ----------
    centres : ndarray of float64, shape (n, 2)
        Tile centres, level-0 px, on a regular grid.
    tile, stride : float
        Side of a tile and distance between two, level-0 px. Tiles that overlap
        (``stride < tile``) are drawn as wide as the stride, since only there they differ.

    Raises
    ------
    ValueError
        When two tiles fall on the same cell: the centres are no grid of this stride.
    """
    side = min(tile, stride)
    x_edges, columns = _axis(centres[:, 0], side, stride)
    y_edges, rows = _axis(centres[:, 1], side, stride)
    if len(np.unique(rows * (columns.max() + 1) + columns)) < len(centres):
        raise ValueError(f"tile centres do not lie on a grid of {stride:g} px")
    return TileGrid(x_edges, y_edges, columns, rows)


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
    foreign: npt.NDArray[np.bool_] | None = None,
    selected: Sequence[int] | None = None,
    height: int = 600,
) -> go.Figure:
    """Draw one value per tile over the slide.

    Parameters
    ----------
    canvas : Canvas
        The slide below.
    centres : ndarray of float64, shape (n, 2)
        Tile centres, level-0 px.
    values : ndarray of float32, shape (n,)
        One value per tile; NaN leaves the slide bare.
    tile, stride : float
        Side of a tile and distance between tiles, level-0 px.
    label, unit : str
        What the values are and what they are measured in.
    scale : str
        One of :data:`~histospace_core.figures.colours.SCALES`.
    limits : tuple of float, optional
        Ends of the colour scale; the 2nd and 98th percentile where not given.
    opacity : float
        Of the tiles, 0 to 1.
    foreign : ndarray of bool, shape (n,), optional
        Tiles drawn grey, outside what the model knows; the pointer still reads their value.
    selected : sequence of int, optional
        Tiles shown as selected.
    height : int
        Of the figure, screen px.

    Returns
    -------
    plotly.graph_objects.Figure
        Trace 0 are the tiles; trace :data:`SELECTABLE_TRACE` takes the selection; trace 2, if there
        are any, are the foreign tiles.
    """
    figure = slide_figure(canvas, view_box(canvas, centres, tile), height=height)
    low, high = limits or robust_limits(values)
    grid = tile_grid(centres, tile, stride)
    grey = np.zeros(len(values), bool) if foreign is None else foreign
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
            colorbar={
                "title": {"text": f"{label}, {unit}", "side": "top"},
                "orientation": "h",
                "thickness": 12,
                "y": -0.01,
                "yanchor": "top",
            },
        )
    )
    figure.add_trace(_selectable(centres, selected))
    if grey.any():
        figure.add_trace(_foreign(grid, values, grey, label, unit))
    return figure


def _foreign(
    grid: TileGrid,
    values: npt.NDArray[np.float32],
    grey: npt.NDArray[np.bool_],
    label: str,
    unit: str,
) -> go.Heatmap:
    """Return the tiles that the model has no business predicting, in one grey."""
    return go.Heatmap(
        z=grid.fill(np.where(grey, 0.0, np.nan)),
        customdata=grid.fill(np.where(grey, values, np.nan)),
        x=grid.x_edges,
        y=grid.y_edges,
        colorscale=[(0, FOREIGN), (1, FOREIGN)],
        showscale=False,
        opacity=0.75,
        hoverongaps=False,
        hovertemplate=(
            f"unlike the training tissue: {label} %{{customdata:.3f}} {unit} means little"
            "<extra></extra>"
        ),
    )


def _selectable(centres: npt.NDArray[np.float64], selected: Sequence[int] | None) -> go.Scattergl:
    """Return points that are seen only once they are selected."""
    return go.Scattergl(
        x=centres[:, 0],
        y=centres[:, 1],
        mode="markers",
        hoverinfo="skip",
        marker={"size": 5, "color": INSIDE, "opacity": 0.0},
        selected={"marker": {"opacity": 0.9, "color": INSIDE, "size": 5}},
        unselected={"marker": {"opacity": 0.0}},
        selectedpoints=None if selected is None else list(selected),
    )
