"""Gene map: genes over the slide, their held-out scores, regions and tables."""

from functools import partial

import numpy as np
import streamlit as st

from histospace_core.catalog import RegionRow, RunRow
from histospace_core.characterise.against_rest import inside_and_outside
from histospace_core.exports import genes_csv, map_csv
from histospace_core.figures.colours import unit_label
from histospace_core.figures.distribution import distribution
from histospace_core.inference import Prediction, RunRecord
from histospace_core.server import get_context
from histospace_core.server.tiles import OpenRun
from histospace_core.web.gene_map import regions
from histospace_core.web.gene_map.confirmed import scale_of_certainty
from histospace_core.web.gene_map.depth import depth_slider
from histospace_core.web.gene_map.gene_picker import gene_picker
from histospace_core.web.gene_map.region_panel import region_panel
from histospace_core.web.gene_map.region_statistics import region_statistics
from histospace_core.web.gene_map.regions import tiles_inside
from histospace_core.web.gene_map.signature_picker import show_signature_score
from histospace_core.web.gene_map.viewer import (
    current_display_settings,
    deep_zoom,
    keep_display_settings,
)
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.gene_score import show_gene_score
from histospace_core.web.widgets.parts import compare_link, guarded, plain, run_picker


@guarded
def gene_map() -> None:
    """Show genes of one run over its slide."""
    st.title("Gene map")
    run = run_picker(compare_link)
    if run is None:
        return
    open_run = get_context().tiles.open_run(run.id)
    _warnings(open_run.prediction.record)
    _map(run, open_run)


@st.fragment
@guarded
def _map(run: RunRow, open_run: OpenRun) -> None:
    """Show everything that depends on the gene; choosing a gene reruns only this fragment."""
    prediction = open_run.prediction
    choice = gene_picker(run.id, prediction)
    gene, settings = choice.gene, current_display_settings(run.id)
    keep_display_settings(settings)
    rows = get_context().catalog.regions(run.id)
    row = regions.selected_region(run.id, rows)
    if choice.panels > 1:  # several maps need the whole width
        figure, facts = st.container(), st.container()
    else:
        figure, facts = st.columns([3, 2], gap="medium")
    with figure:
        deep_zoom(
            run,
            open_run,
            (gene, *choice.beside),
            settings,
            outlines=regions.outlines(rows, row),
            on_drawn=partial(regions.report_errors, run.id, regions.take_drawing),
            mixed=choice.mixed,
            signature=choice.signature,
        )
    with facts:
        show_gene_score(prediction.var.loc[gene], not prediction.record.domain.warning)
        scale_of_certainty(run.id, prediction, gene)
        depth_slider(run.id, prediction, gene)
        if choice.signature:
            show_signature_score(run.id, prediction, choice.signature)
        region_panel(run, prediction, rows, row)
        if row is not None:
            _inside_and_outside(run, prediction, gene, row)
    _downloads(run, prediction, gene, row)
    if row is not None:
        region_statistics(run, prediction, row, gene, choice.signature)


def _warnings(record: RunRecord) -> None:
    if record.domain.warning:
        st.warning(plain(record.domain.warning))
    if record.model.slide_was_trained_on:
        st.warning(
            "The model was trained on this slide, so the map may show memorised measurements. On a "
            "new patient, expect the held-out scores."
        )


def _inside_and_outside(run: RunRow, prediction: Prediction, gene: str, row: RegionRow) -> None:
    """Show the distribution of the gene's values inside and outside the region."""
    values, inside = prediction.gene(gene), tiles_inside(row, prediction)
    st.table(inside_and_outside(values, inside).style.format(precision=3, thousands=","))
    figure = distribution(
        values,
        inside,
        label=gene,
        unit=unit_label(prediction.record.model.expression_unit),
    )
    st.plotly_chart(
        figure,
        key=f"distribution-{run.id}",
        config={"displayModeBar": False},
        alt=f"Histogram of predicted {gene} inside and outside {row.name}",
    )


def _downloads(run: RunRow, prediction: Prediction, gene: str, row: RegionRow | None) -> None:
    """Offer the map, the tiles of the region and the scores as CSV files."""
    with st.container(horizontal=True):
        download("Map as CSV", partial(map_csv, prediction, [gene]), "map", gene, run.id[:8])
        if row is not None:
            tiles = np.flatnonzero(tiles_inside(row, prediction))
            of_region = partial(map_csv, prediction, [gene], tiles)
            download("Tiles of the region as CSV", of_region, row.name, gene, run.id[:8])
        scores = partial(genes_csv, prediction.var)
        download("Scores of all genes as CSV", scores, "gene-scores", run.model_name)


gene_map()
