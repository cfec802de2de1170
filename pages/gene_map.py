"""Gene map: one gene over the slide, how far to trust it, regions, tables."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.evaluation.selection import selection_statistics
from histospace_core.exports import file_name, genes_csv, map_csv
from histospace_core.figures.canvas import Canvas
from histospace_core.figures.colours import robust_limits, unit_label
from histospace_core.figures.distribution import distribution
from histospace_core.figures.overlay import SELECTABLE_TRACE, overlay
from histospace_core.inference import Prediction
from histospace_core.web import get_context, selection, slide_image_url
from histospace_core.web.gene_picker import gene_picker
from histospace_core.web.looks import Looks
from histospace_core.web.parts import CHART_CONFIG, guarded, plain, run_picker, run_text
from histospace_core.web.signature_picker import signature_trust
from histospace_core.web.tiles import Study
from histospace_core.web.trust import gene_trust
from histospace_core.web.viewer import current_looks, deep_zoom, keep_looks

DEEP, REGION = "Deep zoom", "Select a region"


@guarded
def gene_map() -> None:
    """Show genes of one run over its slide."""
    st.title("Gene map")
    run = run_picker()
    if run is None:
        return
    study = get_context().tiles.study(run.id)
    _warnings(study.prediction.provenance)
    _map(run, study)


@st.fragment
@guarded
def _map(run: RunRow, study: Study) -> None:
    """Show the maps and all that depends on the gene; a new gene runs nothing else of the page."""
    prediction = study.prediction
    picked = gene_picker(run.id, prediction)
    gene, looks = picked.gene, current_looks(run.id)
    keep_looks(looks)
    if picked.panels > 1:
        figure, facts = st.container(), st.container()
    else:
        figure, facts = st.columns([3, 2], gap="medium")
    with figure:
        view = st.segmented_control(
            "View", [DEEP, REGION], default=DEEP, required=True, label_visibility="collapsed",
            key=f"view-{run.id}",
        )  # fmt: skip
        if view == DEEP:
            deep_zoom(
                run, study, (gene, *picked.beside), looks,
                mixed=picked.mixed, signature=picked.signature,
            )  # fmt: skip
    values = prediction.gene(gene)
    if view == REGION:
        with figure:
            _figure(run, study, gene, values, looks)
    with facts:
        gene_trust(prediction.var.loc[gene])
        if picked.signature:
            signature_trust(run.id, prediction, picked.signature)
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


def _figure(
    run: RunRow, study: Study, gene: str, values: npt.NDArray[np.float32], looks: Looks
) -> None:
    prediction = study.prediction
    limits = looks.limits.get(gene) or robust_limits(values)
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
        scale=looks.scale,
        limits=limits,
        opacity=looks.opacity,
        foreign=study.foreign if looks.grey else None,
        selected=selection.drawn(run.id, (gene, looks.opacity, looks.scale, looks.grey, limits)),
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
        "toolbar to select a region; scroll to zoom. Colours are set in the deep zoom."
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
