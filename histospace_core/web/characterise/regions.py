"""Domains and drawn regions: their agreement, tests between regions, gradients across edges."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.characterise import (
    Region,
    agreement,
    boundary_gradient,
    edge_distance,
    find_markers,
    read_annotations,
    region_labels,
)
from histospace_core.characterise.agreement import Agreement
from histospace_core.errors import HistospaceError
from histospace_core.exports.characterisation import StoredCharacterisation
from histospace_core.exports.csv import genes_csv
from histospace_core.figures.characterisation import gradient_figure
from histospace_core.figures.colours import unit_label
from histospace_core.inference import Prediction, open_prediction
from histospace_core.server.context import get_context
from histospace_core.web.characterise.domains import centres, names_of
from histospace_core.web.gene_map.regions import as_region
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.parts import CHART_CONFIG, guarded, metric, plain

_MOST_GENES = 5


@guarded
def regions_view(run: RunRow, stored: StoredCharacterisation, level: int) -> None:
    """Compare the domains with drawn regions, and show genes across an edge."""
    upload = st.file_uploader(
        "Regions drawn in QuPath (GeoJSON, full-resolution pixels)",
        type=["geojson", "json"],
        max_upload_size=64,
        key=f"regions-{run.id}",
    )
    if upload:
        slide = run.prediction_record.slide
        size = (slide.width, slide.height)
        regions = list(read_annotations(upload.getvalue(), upload.name, size).regions)
    else:
        regions = [as_region(row) for row in get_context().catalog.regions(run.id)]
    if upload or len(regions) > 1:  # agreement needs two classes
        _agreement(run, stored, level, regions)
    else:
        st.caption(
            "Upload annotations, or draw two regions on the Gene map, to see how well the domains "
            "agree with them and which genes differ between them. Gradients across the edge of a "
            "domain need no regions."
        )
    _gradient(run, stored, level, regions)


def _agreement(
    run: RunRow, stored: StoredCharacterisation, level: int, regions: Sequence[Region]
) -> None:
    st.subheader("Agreement with the drawn regions", anchor=False)
    drawn = region_labels(list(regions), centres(stored))
    try:
        scores = _scores(stored.labels(level), drawn, centres(stored))
    except HistospaceError as error:
        st.error(plain(error))
        return
    with st.container(horizontal=True):
        metric(
            "ARI",
            f"{scores['ari']:.2f}",
            f"random positions: {scores['ari_shuffled_mean']:.2f}",
            help="Adjusted Rand index of the domains and the drawn regions. The control is the "
            f"mean for the same map at random positions on the tissue (p = {scores['p_value']:.3f}"
            ").",
        )
        st.metric("Annotated tiles", f"{scores['n_tiles']:,}", width="content")
    table = pd.DataFrame(
        {"AUROC": scores["auroc"], "random positions": scores["auroc_shuffled_mean"]}
    )
    st.dataframe(
        table.rename_axis("class").reset_index(),
        hide_index=True,
        height="content",
        column_config={
            c: st.column_config.NumberColumn(format="%.2f") for c in ("AUROC", "random positions")
        },
        alt="How well the domains separate each class of drawn regions from the others",
    )
    _tested(run, stored, drawn)


@st.cache_data(show_spinner="Comparing with the drawn regions…", max_entries=16)
def _scores(labels: np.ndarray, drawn: np.ndarray, places: np.ndarray) -> Agreement:
    return agreement(labels, drawn, places)


@st.cache_data(show_spinner="Testing the genes between the drawn regions…", max_entries=8)
def _markers(folder: str, drawn: np.ndarray, all_genes: bool) -> pd.DataFrame:
    table = open_prediction(folder).to_anndata()
    return find_markers(table, drawn, reliable_only=not all_genes).table


def _tested(run: RunRow, stored: StoredCharacterisation, drawn: np.ndarray) -> None:
    """Show genes that differ between drawn regions; the tests are valid, unlike for domains."""
    st.subheader("Genes that differ between the drawn regions", anchor=False)
    all_genes = stored.summary["n_genes_used"] == stored.summary["n_genes"]
    try:
        found = _markers(str(run.directory), drawn, all_genes)
    except HistospaceError as error:
        st.info(plain(error))
        return
    shown = found[
        ["region", "gene", "effect_size", "least_effect", "difference", "ci_low", "ci_high",
         "reliable", "p_value", "q_value"]
    ]  # fmt: skip
    st.dataframe(
        shown,
        hide_index=True,
        height=260,
        column_config={
            c: st.column_config.NumberColumn(format="%.2g" if c.endswith("value") else "%.3f")
            for c in shown.columns
            if pd.api.types.is_float_dtype(shown[c])
        },
        alt="Genes tested between the drawn regions",
    )
    called = int((found["q_value"] < 0.1).sum())
    st.caption(
        f"{called:,} of {len(found):,} tests have q < 0.1, based on regions of the same shape at "
        "random positions. These are differences between predicted values; the held-out scores "
        "state how accurate the predictions are."
    )
    table = partial(genes_csv, found)
    download("Tests between regions as CSV", table, "regions", run.id[:8])


def _gradient(
    run: RunRow, stored: StoredCharacterisation, level: int, regions: Sequence[Region]
) -> None:
    st.subheader("Gradient across an edge", anchor=False)
    prediction = _prediction(str(run.directory))
    names = names_of(stored, level)
    edges = [*(region.name for region in regions), *names]
    where, genes, width = st.columns([2, 3, 2])
    edge = where.selectbox("Edge of", range(len(edges)), format_func=edges.__getitem__)
    ranked = prediction.var.sort_values(["reliable", "held_out_pearson"], ascending=False)
    chosen = genes.multiselect(
        f"Genes, up to {_MOST_GENES}; best scores first",
        list(ranked.index),
        default=list(ranked.index[:2]),
        max_selections=_MOST_GENES,
        format_func=lambda g: g if prediction.var.loc[g, "reliable"] else f"{g} · unreliable",
    )
    width_um = width.number_input("Width of a band, µm", 50.0, 1000.0, 200.0, 50.0)
    if not chosen:
        st.info("Choose a gene to see its gradient.")
        return
    if edge < len(regions):
        distance = regions[edge].signed_distance(centres(stored)) * prediction.mpp
    else:
        inside = stored.labels(level) == edge - len(regions)
        distance = edge_distance(inside, centres(stored)) * prediction.mpp
    values = np.column_stack([prediction.gene(gene) for gene in chosen])
    bands = boundary_gradient(values, distance, width_um=width_um)
    labels = [g if prediction.var.loc[g, "reliable"] else f"{g} †" for g in chosen]
    unit = unit_label(stored.summary["expression_unit"])
    st.plotly_chart(
        gradient_figure(bands, labels, unit=unit),
        key=f"gradient-{run.id}",
        config=CHART_CONFIG,
        alt=f"Mean of {', '.join(chosen)} against the distance to the edge of {edges[edge]}",
    )
    out_of_domain = stored.domains["unlike_training_tissue"].mean()
    st.caption(
        "Error bars: standard error over the tiles of a band. It treats tiles as independent, so "
        f"it is a lower bound. {out_of_domain:.0%} of all tiles look unlike the training tissue."
    )


@st.cache_resource(max_entries=8)
def _prediction(folder: str) -> Prediction:
    return open_prediction(folder)
