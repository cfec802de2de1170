"""Figures of a characterisation: domains, signatures, and a gradient across an edge."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from .canvas import MODEBAR, Canvas, slide_figure, view_box
from .colours import NEUTRAL, OUT_OF_DOMAIN
from .grid import tile_grid

#: Okabe and Ito (2008) first, dark and light in turn, then tints; neighbours in the list differ.
DOMAIN_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f5fa8",
    "#8c564b", "#66c2a5", "#b15928", "#1b7837", "#a6cee3", "#fb9a99", "#b2df8a", "#fdbf6f",
    "#cab2d6", "#6a3d9a", "#525252", "#bdbdbd",
)  # fmt: skip


def domain_map(
    canvas: Canvas,
    centres: npt.NDArray[np.float64],
    labels: npt.NDArray[np.intp],
    names: Sequence[str],
    *,
    tile: float,
    stride: float,
    out_of_domain: npt.NDArray[np.bool_] | None = None,
    opacity: float = 0.75,
    height: int = 600,
) -> go.Figure:
    """Draw the domain of each tile over the slide; each domain is a trace that can be hidden.

    Parameters
    ----------
    canvas : Canvas
    centres : (n, 2), level-0 px
    labels : int, (n,)
        Tiles with -1 are transparent.
    names : sequence of str
        Names of domain 0, 1, and so on.
    tile, stride : float
        Side of a tile and stride, level-0 px.
    out_of_domain : bool, (n,), optional
        Tiles to draw in grey.
    opacity : float
        Opacity of the tiles, 0 to 1.
    height : int
        Height of the figure, screen px.
    """
    figure = slide_figure(canvas, view_box(canvas, centres, tile), height=height)
    grid = tile_grid(centres, tile, stride)
    grey = np.zeros(len(labels), bool) if out_of_domain is None else out_of_domain
    layers = [(name, (labels == i) & ~grey, domain_colour(i)) for i, name in enumerate(names)]
    layers.append(("unlike the training tissue", (labels >= 0) & grey, OUT_OF_DOMAIN))
    for name, shown, colour in layers:
        if not shown.any():
            continue
        figure.add_trace(
            go.Heatmap(
                z=grid.fill(np.where(shown, 1.0, np.nan)),
                x=grid.x_edges,
                y=grid.y_edges,
                colorscale=[(0, colour), (1, colour)],
                showscale=False,
                opacity=opacity,
                hoverongaps=False,
                name=name,
                showlegend=True,
                hovertemplate=f"{name}<br>x %{{x:.0f}} px, y %{{y:.0f}} px<extra></extra>",
            )
        )
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.02})
    return figure


def domain_colour(number: int) -> str:
    """Return the colour of a domain; numbers begin at 0."""
    return DOMAIN_COLOURS[number % len(DOMAIN_COLOURS)]


def signature_figure(
    scores: npt.NDArray[np.float64],
    labels: npt.NDArray[np.intp],
    signatures: Sequence[str],
    names: Sequence[str],
) -> go.Figure:
    """Draw the mean score of each signature in each domain; missing scores are left blank.

    Parameters
    ----------
    scores : (n, signatures)
    labels : int, (n,)
    signatures, names : sequence of str
        Labels of the signatures and of the domains.
    """
    means = np.full((len(signatures), len(names)), np.nan)
    for number in range(len(names)):
        inside = scores[labels == number]
        known = np.isfinite(inside).any(0)  # nanmean would warn of the others
        means[known, number] = np.nanmean(inside[:, known], axis=0)
    limit = float(np.nanmax(np.abs(means))) if np.isfinite(means).any() else 1.0
    figure = go.Figure(
        go.Heatmap(
            z=means,
            x=list(names),
            y=list(signatures),
            zmin=-limit,
            zmax=limit,
            colorscale="RdBu_r",
            hoverongaps=False,
            colorbar={"title": {"text": "mean z", "side": "right"}},
            hovertemplate="%{y} in %{x}: %{z:.2f}<extra></extra>",
        )
    )
    figure.update_layout(
        height=160 + 40 * len(signatures),
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        modebar=MODEBAR,
    )
    return figure


def gradient_figure(bands: pd.DataFrame, genes: Sequence[str], *, unit: str) -> go.Figure:
    """Draw mean expression against the distance to an edge, with the inside on the left.

    Parameters
    ----------
    bands : DataFrame
        Result of `boundary_gradient`; gene i of `genes` is in ``mean_<i>, sem_<i>``.
    genes : sequence of str
    unit : str
    """
    figure = go.Figure()
    middle = (bands["from_um"] + bands["to_um"]) / 2
    for i, gene in enumerate(genes):
        figure.add_trace(
            go.Scatter(
                x=middle,
                y=bands[f"mean_{i}"],
                error_y={"array": bands[f"sem_{i}"], "thickness": 1},
                mode="lines+markers",
                name=gene,
                line={"color": domain_colour(i)},
                customdata=bands["n_tiles"],
                hovertemplate=(
                    f"{gene} %{{y:.3f}} {unit}<br>%{{x:.0f}} µm, %{{customdata}} tiles"
                    "<extra></extra>"
                ),
            )
        )
    figure.add_vline(x=0, line={"color": NEUTRAL, "dash": "dot"})
    figure.update_layout(
        height=420,
        xaxis_title="distance to the edge, µm (negative: inside)",
        yaxis_title=unit,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        modebar=MODEBAR,
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    return figure
