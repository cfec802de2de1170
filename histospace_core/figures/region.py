"""Figure that compares a region with the rest of the tissue."""

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .canvas import MODEBAR
from .colours import INSIDE, OUT_OF_DOMAIN, OUTSIDE
from .markers import gene_label

MAX_Q = 0.1
"""A gene with a smaller q-value counts as different."""
_LEAST_P = 1e-40  # p can underflow to 0, whose logarithm is infinite
_NAMED = 6


def volcano(table: pd.DataFrame, *, region: str, unit: str, height: int = 420) -> go.Figure:
    """Draw the difference of each gene against its p-value; colours mark genes with a low q-value.

    Parameters
    ----------
    table : DataFrame
        ``AgainstRest.table``; genes that were not tested are left out.
    region, unit : str
        Name of the region, unit of expression.
    height : int
        Height of the figure, screen px.
    """
    tested = table[table["q_value"].notna()]
    called = tested["q_value"] < MAX_Q
    raised = tested["difference"] > 0
    region = html.escape(region)  # Plotly renders HTML tags in names
    groups = [
        (f"higher in {region}", called & raised, INSIDE, "triangle-up"),
        (f"lower in {region}", called & ~raised, OUTSIDE, "triangle-down"),
        (f"neither: q ≥ {MAX_Q:g}", ~called, OUT_OF_DOMAIN, "circle"),
    ]
    # Only the largest differences on either side are labelled, where labels do not overlap.
    higher = tested.loc[called & raised, "difference"].nlargest(_NAMED)
    lower = tested.loc[called & ~raised, "difference"].nsmallest(_NAMED)
    named = {*higher.index, *lower.index}
    figure = go.Figure()
    for name, members, colour, symbol in groups:
        shown = tested[members]
        labels = [gene_label(g, bool(r)) for g, r in zip(shown.gene, shown.reliable, strict=True)]
        figure.add_trace(
            go.Scatter(
                x=shown["difference"],
                y=-np.log10(np.maximum(shown["p_value"], _LEAST_P)),
                mode="markers+text",
                name=f"{name} ({len(shown):,})",
                text=[
                    label if i in named else ""
                    for i, label in zip(shown.index, labels, strict=True)
                ],
                textposition="top center",
                marker={"color": colour, "symbol": symbol, "size": 8, "opacity": 0.75},
                customdata=np.column_stack(
                    [
                        labels,
                        *(
                            shown[c]
                            for c in ("ci_low", "ci_high", "p_value", "q_value", "naive_p_value")
                        ),
                    ]
                )
                if len(shown)
                else None,
                hovertemplate=(
                    "<b>%{customdata[0]}</b> %{x:.3f} (%{customdata[1]:.3f} to "
                    "%{customdata[2]:.3f})<br>p %{customdata[3]:.2g}, q %{customdata[4]:.2g}<br>"
                    "if tiles were independent, p %{customdata[5]:.2g}<extra></extra>"
                ),
            )
        )
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        modebar=MODEBAR,
        xaxis_title=f"difference from the rest, {unit}",
        yaxis_title="−log10 p",
        showlegend=True,
        legend={"orientation": "h", "y": -0.18, "yanchor": "top"},
    )
    return figure
