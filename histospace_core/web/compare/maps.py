"""One gene of a comparison: measured, predicted, their difference, and a scatter plot."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.comparison.at_spots import LAYER
from histospace_core.comparison.compare import Comparison
from histospace_core.figures.colours import DIVERGING, SCALES, robust_limits, unit_label
from histospace_core.figures.comparison import balanced_limits, scatter, shared_limits, spot_map
from histospace_core.server.links import run_canvas
from histospace_core.web.widgets import selection
from histospace_core.web.widgets.parts import CHART_CONFIG, plain
from histospace_core.web.widgets.swipe import swipe

VIEWS = {"side": "Side by side", "swipe": "Swipe"}
PREDICTIONS = {"predicted": "Map", LAYER: "At the spots"}
LIMITS = {"shared": "One colour scale for both", "own": "One colour scale each"}
Values = npt.NDArray[np.float32]


def gene_maps(run: RunRow, comparison: Comparison, gene: str) -> None:
    """Show the maps and the scatter plot of a gene; a selection in one applies to all."""
    spots, scope = comparison.spots, comparison.directory.name
    column = spots.var_names.get_loc(gene)
    unit = unit_label(comparison.summary["expression_unit"])
    layer = "predicted"
    with st.container(horizontal=True):
        if LAYER in spots.layers:
            layer = _choice("Prediction", "prediction", PREDICTIONS, scope)
        view = _choice("View", "view", VIEWS, scope)
        shared = _choice("Colour limits", "colours", LIMITS, scope) == "shared"
    measured, predicted = (
        np.asarray(spots.layers[name][:, column]).ravel() for name in ("measured", layer)
    )
    limits = shared_limits(measured, predicted)
    ends = [limits if shared else robust_limits(values) for values in (measured, predicted)]
    rows = selection.selected(scope)
    style: dict[str, Any] = {"unit": unit, "selected": rows}
    place: dict[str, Any] = {
        "diameter": run.prediction_record.tiles.side_level0_px,
        "canvas": run_canvas(run),
        "centres": spots.obsm["spatial"],
    }
    mean = float(spots.var["training_mean"].iloc[column])
    points = scatter(measured, predicted, gene=gene, mean_profile=mean, **style)
    if view == "swipe":
        pair = [("measured", measured, ends[0]), ("predicted", predicted, ends[1])]
        _swipe(f"swipe-{scope}", place, pair, gene, unit)
        charts = {"scatter": points}
    else:
        maps = {"measured": (measured, ends[0]), "predicted": (predicted, ends[1])}
        charts = {
            name: spot_map(**place, values=values, label=f"{gene} {name}", limits=end, **style)
            for name, (values, end) in maps.items()
        }
        residual = predicted - measured
        charts["residual"] = spot_map(
            **place,
            values=residual,
            label=f"{gene} predicted − measured",
            limits=balanced_limits(residual),
            scale=DIVERGING,
            **style,
        )
        charts["scatter"] = points
    _charts(charts, scope, f"{gene}, {len(spots)} spots, {unit}")
    _selected(rows, {"measured": measured, "predicted": predicted}, unit, scope)


def _choice(label: str, name: str, options: dict[str, str], scope: str) -> str:
    """Let the user choose an option and sync it to the URL, unless it is the first."""
    first, from_url = next(iter(options)), st.query_params.get(name)
    chosen = st.segmented_control(
        label,
        list(options),
        default=from_url if from_url in options else first,
        format_func=options.__getitem__,
        required=True,
        label_visibility="collapsed",
        key=f"{name}-{scope}",
    )
    if chosen != first:
        st.query_params[name] = chosen
    elif from_url:
        del st.query_params[name]
    return chosen


def _swipe(
    key: str,
    place: dict[str, Any],
    pair: list[tuple[str, Values, tuple[float, float]]],
    gene: str,
    unit: str,
) -> None:
    swipe(key, **place, halves=(pair[0], pair[1]), label=gene, unit=unit, scale=SCALES[0])
    st.caption(
        "Drag the divider across the tissue, or move it with the arrow keys. The side-by-side view "
        "also shows the difference."
    )


def _charts(charts: dict[str, go.Figure], scope: str, text: str) -> None:
    # Two rows, so that a narrow window shows measured and predicted one after the other.
    columns = [*st.columns(2), *st.columns(2)] if len(charts) > 1 else [st.container()]
    for (name, figure), column in zip(charts.items(), columns, strict=True):
        chart = f"{name}-{scope}"
        column.plotly_chart(
            figure,
            key=chart,
            config=CHART_CONFIG,
            on_select=partial(selection.store_chart_selection, scope, chart),
            selection_mode=["box", "lasso"],
            alt=f"{name}: {text}",
        )


def _selected(rows: list[int], layers: dict[str, Values], unit: str, scope: str) -> None:
    if rows:
        means = " · ".join(f"{name} mean {v[rows].mean():.2f}" for name, v in layers.items())
        st.markdown(f"**{len(rows)} spots selected** · {means} {plain(unit)}")
        st.button("Clear selection", on_click=selection.clear, args=(scope,))
    else:
        st.caption(
            "Select spots with box or lasso in one figure to highlight them in all. In the scatter "
            "plot, brighter points are in denser areas; on the dotted line, the prediction equals "
            "the measurement. Predictions vary less than measurements: variation that the image "
            "does not show, such as counting noise, is predicted as the mean."
        )
