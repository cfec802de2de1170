"""Figures of scores: their distribution over genes, two models gene by gene, the leaderboard."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from .canvas import MODEBAR
from .colours import INSIDE, NEUTRAL, OUTSIDE

_NO_IMAGE = "mean profile, no image: 0"


def score_spread(
    scores: npt.ArrayLike,
    *,
    ceiling: npt.ArrayLike | None = None,
    label: str = "per-gene r",
    height: int = 300,
) -> go.Figure:
    """Draw the distribution of a correlation over genes, with the mean profile and noise ceiling.

    Parameters
    ----------
    scores : array-like, shape (n,)
        One score per gene; values that are not finite are left out.
    ceiling : float, or array-like of shape (n,), optional
        The noise ceiling: of the section, drawn as a line, or of each gene, drawn as a second
        histogram.
    label : str
        Name of the score.
    height : int
        Height of the figure, screen px.
    """
    values = _finite(scores)
    limits = np.atleast_1d(np.asarray(np.nan if ceiling is None else ceiling, dtype=np.float64))
    limits = limits[np.isfinite(limits)]
    everything = np.concatenate([values, limits, [0.0]])  # 0 is the score of the mean profile
    edges = np.histogram_bin_edges(everything, 48)
    figure = go.Figure(_bars(values, edges, label, OUTSIDE))
    high = 1.08  # a second row of labels, since these marks may be close to that of the mean
    if limits.size > 1:
        figure.add_trace(_bars(limits, edges, "noise ceiling", NEUTRAL))
    _mark(figure, 0.0, _NO_IMAGE, NEUTRAL, "dot", high)
    if values.size:
        _mark(figure, float(values.mean()), f"mean {values.mean():.2f}", OUTSIDE, "solid", 1.0)
    if limits.size:
        _mark(figure, float(limits.mean()), f"ceiling {limits.mean():.2f}", INSIDE, "dash", high)
    figure.update_layout(
        barmode="overlay",
        height=height,
        margin={"l": 0, "r": 0, "t": 64, "b": 0},
        modebar=MODEBAR,
        showlegend=limits.size > 1,
        legend={"orientation": "h", "y": -0.32, "yanchor": "top"},
        xaxis_title=label,
        yaxis_title="genes",
    )
    return figure


def ceiling_spread(genes: pd.DataFrame) -> go.Figure:
    """Draw r beside its noise ceiling: both given the depth, if the table has that r.

    Parameters
    ----------
    genes : DataFrame
        One row per gene: `pearson`, and optionally `pearson_given_depth` and `noise_ceiling`, whose
        upper end is drawn.
    """
    given = "pearson_given_depth" in genes
    return score_spread(
        genes["pearson_given_depth" if given else "pearson"],
        ceiling=genes.get("noise_ceiling"),
        label="per-gene r given the depth" if given else "per-gene r",
    )


def model_scatter(
    genes: pd.Series,
    first: npt.NDArray[np.float64],
    second: npt.NDArray[np.float64],
    *,
    names: tuple[str, str],
    height: int = 420,
) -> go.Figure:
    """Draw held-out r of two models, one point per gene, with the line of equality.

    Parameters
    ----------
    genes : Series of str, length n
    first, second : ndarray, shape (n,)
        Scores of the two models.
    names : tuple of str
        Names of the two models.
    height : int
        Height of the figure, screen px.
    """
    # 0.1 gives the line a length if all scores are equal
    pool = np.concatenate([_finite(first), _finite(second), [0.0, 0.1]])
    low, high = float(pool.min()), float(pool.max())
    figure = go.Figure(
        go.Scattergl(
            x=first,
            y=second,
            text=genes,
            mode="markers",
            marker={"size": 6, "color": OUTSIDE, "opacity": 0.55},
            hovertemplate="%{text}: %{x:.2f} and %{y:.2f}<extra></extra>",
        )
    )
    ends = {"x0": low, "y0": low, "x1": high, "y1": high}
    figure.add_shape(type="line", **ends, line={"dash": "dot", "color": NEUTRAL}, layer="below")
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        modebar=MODEBAR,
        showlegend=False,
        xaxis_title=f"held-out r, {names[0]}",
        yaxis_title=f"held-out r, {names[1]}",
    )
    return figure


def ranking(table: pd.DataFrame, *, height: int | None = None) -> go.Figure:
    """Draw the per-gene r of networks on one split, the best at the top, with the noise ceiling.

    Parameters
    ----------
    table : DataFrame
        One row per network: `network`, `per_gene_pearson`, and optionally `noise_ceiling`.
    height : int, optional
        Height of the figure, screen px; by default it depends on the number of rows.
    """
    table = table.sort_values("per_gene_pearson")  # Plotly draws the first bar at the bottom
    best = table["per_gene_pearson"] == table["per_gene_pearson"].max()
    figure = go.Figure(
        go.Bar(
            x=table["per_gene_pearson"],
            y=table["network"],
            orientation="h",
            marker={"color": np.where(best, INSIDE, OUTSIDE)},
            text=[f"{value:.3f}" for value in table["per_gene_pearson"]],
            textposition="auto",
            hovertemplate="%{y}: per-gene r %{x:.3f}<extra></extra>",
        )
    )
    ceiling = _finite(table["noise_ceiling"]) if "noise_ceiling" in table else np.empty(0)
    if ceiling.size:
        mean = float(ceiling.mean())
        _mark(figure, mean, f"noise ceiling {mean:.2f}", INSIDE, "dash", 1.0)
    figure.update_layout(
        height=height or 120 + 34 * len(table),
        margin={"l": 0, "r": 0, "t": 56, "b": 0},
        modebar=MODEBAR,
        showlegend=False,
        xaxis_title="per-gene r (mean profile, no image: 0)",
        yaxis={"automargin": True},
    )
    return figure


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _bars(
    values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64], name: str, colour: str
) -> go.Bar:
    return go.Bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=np.histogram(values, edges)[0],
        width=np.diff(edges),
        name=name,
        marker={"color": colour, "opacity": 0.6, "line": {"width": 0}},
        hovertemplate=f"%{{y}} genes, {name} near %{{x:.2f}}<extra></extra>",
    )


def _mark(figure: go.Figure, x: float, text: str, colour: str, dash: str, y: float) -> None:
    """Draw a vertical line through the figure, with its label above."""
    line = {"color": colour, "dash": dash, "width": 1.5}
    figure.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, yref="paper", line=line)
    figure.add_annotation(
        x=x,
        y=y,
        yref="paper",
        yanchor="bottom",
        text=text,
        showarrow=False,
        font={"size": 12, "color": colour},
    )
