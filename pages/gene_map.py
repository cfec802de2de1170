"""Gene map: one gene over the slide, how far to trust it, regions, tables."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.evaluation.selection import selection_statistics
from histospace_core.exports import file_name, genes_csv, map_csv
from histospace_core.figures.canvas import Canvas
from histospace_core.figures.colours import SCALES, robust_limits, unit_label
from histospace_core.figures.distribution import distribution
from histospace_core.figures.overlay import SELECTABLE_TRACE, overlay
from histospace_core.inference import OUTSIDE_DOMAIN, Prediction, open_prediction
from histospace_core.web import get_context, selection, slide_image_url
from histospace_core.web.parts import (
    CHART_CONFIG,
    chosen,
    guarded,
    keep,
    plain,
    run_picker,
    run_text,
)
from histospace_core.web.trust import gene_trust


@guarded
def gene_map() -> None:
    """Show the map of one gene of one run."""
    st.title("Gene map")
    left, right = st.columns(2)
    with left:
        run = run_picker()
    if run is None:
        return
    prediction = _open(run.id)
    with right:
        gene = _gene_picker(prediction)
    values = prediction.gene(gene)
    _warnings(prediction.provenance)
    figure, facts = st.columns([3, 2], gap="medium")
    with facts:
        gene_trust(prediction.var.loc[gene])
        score = prediction.obs["domain_score"].to_numpy()
        looks = _looks(gene, values, score > OUTSIDE_DOMAIN)
    with figure:
        _figure(run, prediction, gene, values, *looks)
    with facts:
        _selection(run, prediction, gene, values)
    _downloads(run, prediction, gene)


def _warnings(record: dict[str, Any]) -> None:
    if record["domain"]["warning"]:
        st.warning(plain(record["domain"]["warning"]))
    if record["model"].get("slide_was_trained_on"):
        st.warning(
            "The model was trained on this very slide: the map shows what it has learnt by heart; "
            "on a new patient expect the held-out scores."
        )


@st.cache_resource(max_entries=8)
def _open(run_id: str) -> Prediction:
    return open_prediction(get_context().catalog.run(run_id).directory)


def _gene_picker(prediction: Prediction) -> str:
    """Let the user find a gene; the best supported come first."""
    order = ["reliable", "held_out_pearson"]
    ranked = prediction.var.sort_values(order, ascending=False, na_position="last")
    genes = list(ranked.index)

    def label(gene: str) -> str:
        row = ranked.loc[gene]
        score = "no score" if pd.isna(row.held_out_pearson) else f"r {row.held_out_pearson:.2f}"
        return f"{gene}   {score}" + ("" if row.reliable else " · unreliable")

    gene = st.selectbox(
        f"Gene, of {len(genes):,}: type to search, most reliable first",
        genes,
        index=chosen("gene", genes),
        format_func=label,
    )
    keep("gene", gene)
    return gene


def _looks(
    gene: str, values: np.ndarray, foreign: np.ndarray
) -> tuple[float, str, tuple[float, float], np.ndarray]:
    """Let the user set opacity, colour scale, limits, and whether foreign tiles are grey."""
    with st.expander("Colours"):
        grey = foreign.any() and st.toggle(
            f"Grey out the {foreign.sum():,} tiles unlike the training tissue", True
        )
        foreign = foreign if grey else np.zeros_like(foreign)
        opacity = st.slider("Opacity of the map", 0.0, 1.0, 0.7, 0.05)
        scale = st.selectbox("Colour scale", SCALES, help="All stay ordered for the colour-blind.")
        if not np.isfinite(values).any():
            return opacity, scale, (0.0, 1.0), foreign
        low, high = robust_limits(values)
        ends = min(low, float(np.nanmin(values))), max(high, float(np.nanmax(values)))
        limits = st.slider(
            "Colour limits (at first the 2nd and 98th percentile)",
            *ends,
            (low, high),
            step=(ends[1] - ends[0]) / 200,
            format="%.2f",
            key=f"limits-{gene}",
        )
    return opacity, scale, limits, foreign


def _figure(
    run: RunRow,
    prediction: Prediction,
    gene: str,
    values: np.ndarray,
    opacity: float,
    scale: str,
    limits: tuple[float, float],
    foreign: np.ndarray,
) -> None:
    slide, tiles = prediction.provenance["slide"], prediction.provenance["tiles"]
    unit = unit_label(prediction.provenance["model"]["expression_unit"])
    image = slide_image_url(run.slide_id, 2048) if run.slide_id else None
    chart = f"map-{run.id}"
    figure = overlay(
        Canvas(slide["width"], slide["height"], slide["mpp"], image),
        prediction.centres,
        values,
        tile=prediction.tile_level0,
        stride=tiles["stride_level0_px"],
        label=gene,
        unit=unit,
        scale=scale,
        limits=limits,
        opacity=opacity,
        foreign=foreign,
        selected=selection.drawn(run.id, (gene, opacity, scale, limits)),
    )
    st.plotly_chart(
        figure,
        key=chart,
        config=CHART_CONFIG,
        on_select=partial(selection.keep, run.id, chart, SELECTABLE_TRACE),
        selection_mode=["box", "lasso"],
        alt=f"Map of predicted {gene} in {unit} over {run_text(run)}",
    )
    st.caption(
        f"Each square is one tile of {prediction.tile_level0 * prediction.mpp:.0f} µm, at its "
        "true size; grey ones look unlike the training tissue. Drag with box or lasso of the "
        "toolbar to select a region; scroll to zoom."
    )


def _selection(run: RunRow, prediction: Prediction, gene: str, values: np.ndarray) -> None:
    rows = selection.selected(run.id)
    unit = unit_label(prediction.provenance["model"]["expression_unit"])
    inside = np.zeros(prediction.n_tiles, bool)
    inside[rows] = True
    st.subheader(f"{len(rows):,} tiles selected" if rows else "All tiles", anchor=False)
    if rows:
        table, p = selection_statistics(values, inside)
        st.dataframe(table.round(3), width="stretch")
        if not np.isnan(p):
            st.caption(
                f"Mann-Whitney p = {p:.2g}. Descriptive only: neighbouring tiles are not "
                "independent, and the region was drawn after the map was seen."
            )
        st.button("Clear selection", on_click=selection.clear, args=(run.id,))
    figure = distribution(values, inside if rows else None, label=gene, unit=unit)
    st.plotly_chart(
        figure,
        key=f"distribution-{run.id}",
        config={"displayModeBar": False},
        alt=f"Histogram of predicted {gene}",
    )


def _downloads(run: RunRow, prediction: Prediction, gene: str) -> None:
    """Offer tables; each is made only when it is asked for."""
    rows = selection.selected(run.id)
    offers = [
        ("Map as CSV", file_name("map", gene, run.id[:8]), partial(map_csv, prediction, [gene]))
    ]
    if rows:
        name = file_name("selection", gene, run.id[:8])
        offers.append(("Selection as CSV", name, partial(map_csv, prediction, [gene], rows)))
    name = file_name("gene-scores", run.model_name)
    offers.append(("Scores of all genes as CSV", name, partial(genes_csv, prediction.var)))
    with st.container(horizontal=True):
        for label, name, data in offers:
            st.download_button(
                label, data, name, "text/csv", on_click="ignore", icon=":material/download:"
            )


gene_map()
