"""Figures of the marker genes of domains."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .canvas import MODEBAR
from .characterisation import domain_colour

UNRELIABLE = "†"
"""Follows the name of an unreliable gene."""
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
_LARGEST_DOT = 22


def gene_label(gene: str, reliable: bool) -> str:
    """Return a gene's name, with a mark if it is unreliable."""
    return gene if reliable else f"{gene} {UNRELIABLE}"


def marker_figure(
    markers: pd.DataFrame, names: Sequence[str], *, unit: str, clear: float, per_domain: int = 5
) -> go.Figure:
    """Draw the clearest markers of each domain with their 95 % intervals.

    Parameters
    ----------
    markers : DataFrame
        ``Level.markers``; its regions are the numbers of the domains. Measured differences, if the
        table has them, are open diamonds.
    names : sequence of str
        Names of the domains.
    unit : str
        Unit of expression.
    clear : float
        Genes with at least this least effect, in standard deviations, are filled circles.
    per_domain : int
        Number of genes to show for each domain.
    """
    figure = go.Figure()
    for number, name in enumerate(names):
        raised = markers[(markers["region"] == str(number)) & (markers["difference"] > 0)]
        best = raised.head(per_domain)[::-1]  # Plotly draws the first category at the bottom
        if best.empty:
            continue
        # a gene may mark two domains, but a category occurs only once
        genes = [f"{gene} · {name}" for gene in _labels(best)]
        figure.add_trace(
            go.Scatter(
                x=best["difference"],
                y=genes,
                error_x={
                    "array": best["ci_high"] - best["difference"],
                    "arrayminus": best["difference"] - best["ci_low"],
                },
                mode="markers",
                name=name,
                marker={
                    "color": domain_colour(number),
                    "size": 9,
                    "symbol": np.where(best["least_effect"] >= clear, "circle", "circle-open"),
                },
                customdata=best[["effect_size", "least_effect"]],
                hovertemplate=(
                    "%{y}: %{x:.3f}, effect %{customdata[0]:.2f} SD, at least "
                    "%{customdata[1]:.2f}<extra></extra>"
                ),
            )
        )
        if "measured_difference" in best:
            figure.add_trace(
                go.Scatter(
                    x=best["measured_difference"],
                    y=genes,
                    mode="markers",
                    name=f"{name}, measured",
                    marker={
                        "color": domain_colour(number),
                        "size": 10,
                        "symbol": "diamond-open",
                        "line": {"width": 2},
                    },
                    customdata=best["measured_q_value"],
                    hovertemplate=(
                        "%{y}, measured: %{x:.3f}, q = %{customdata:.2g}<extra></extra>"
                    ),
                )
            )
    rows = sum(len(trace.y) for trace in figure.data if "measured" not in str(trace.name))
    figure.update_layout(
        height=110 + 22 * rows,
        xaxis_title=f"difference from the rest of the tissue, {unit} (95 % interval)",
        margin=_MARGIN,
        modebar=MODEBAR,
        showlegend=False,
    )
    return figure


def marker_dots(markers: pd.DataFrame, names: Sequence[str], *, per_domain: int = 4) -> go.Figure:
    """Draw the clearest markers of each domain in all domains.

    The colour of a dot is the effect size in standard deviations, and its area is the least effect;
    a gene whose interval contains zero has no dot.

    Parameters
    ----------
    markers : DataFrame
        ``Level.markers``.
    names : sequence of str
        Names of the domains.
    per_domain : int
        Number of genes to take from each domain.
    """
    raised = markers[markers["least_effect"] > 0]
    best = raised.groupby("region", sort=False).head(per_domain)
    # regions are text, and 10 comes after 2
    order = best.sort_values("region", key=lambda r: r.astype(int), kind="stable")["gene"]
    genes = list(dict.fromkeys(order))
    shown = markers[markers["gene"].isin(genes)]
    label = dict(zip(shown["gene"], _labels(shown), strict=True))
    least = shown["least_effect"].abs().fillna(0)
    limit = max(float(shown["effect_size"].abs().max()), 0.1) if len(shown) else 1.0
    figure = go.Figure(
        go.Scatter(
            x=[names[int(region)] for region in shown["region"]],
            y=shown["gene"].map(label),
            mode="markers",
            marker={
                # a root, because Plotly's size is the diameter
                "size": _LARGEST_DOT * np.sqrt(least / max(float(least.max()), 0.1)),
                "color": shown["effect_size"],
                "colorscale": "RdBu_r",
                "cmin": -limit,
                "cmax": limit,
                "colorbar": {"title": {"text": "effect, SD", "side": "right"}, "thickness": 12},
                "line": {"color": "#8c8794", "width": 0.5},
            },
            customdata=shown[["least_effect"]],
            hovertemplate=(
                "%{y} in %{x}: effect %{marker.color:.2f} SD, at least "
                "%{customdata[0]:.2f}<extra></extra>"
            ),
        )
    )
    figure.update_xaxes(categoryorder="array", categoryarray=list(names))
    figure.update_yaxes(
        categoryorder="array", categoryarray=[label[gene] for gene in reversed(genes)]
    )
    figure.update_layout(
        height=180 + 24 * len(genes), margin={**_MARGIN, "t": 40}, modebar=MODEBAR, showlegend=False
    )
    return figure


def _labels(markers: pd.DataFrame) -> list[str]:
    reliable = markers["reliable"] if "reliable" in markers else [True] * len(markers)
    return [gene_label(g, bool(r)) for g, r in zip(markers["gene"], reliable, strict=True)]
