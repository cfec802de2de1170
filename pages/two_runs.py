"""Two runs of one slide: a gene side by side, agreement by gene, differences in quality."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.catalog import Kind, RunRow, State
from histospace_core.comparison.run_pair import RunPair, pair_runs
from histospace_core.exports import genes_csv
from histospace_core.figures.colours import robust_limits, unit_label
from histospace_core.figures.overlay import overlay
from histospace_core.inference import Prediction
from histospace_core.server import get_context
from histospace_core.server.links import run_canvas
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.parts import (
    CHART_CONFIG,
    choose,
    choose_row,
    empty_state,
    guarded,
    metric,
    plain,
    run_text,
    sample_note,
)

COLUMNS = {
    "pearson": "r between the runs",
    "other_gene_pearson": "r with another gene",
    "mean_difference": "mean difference",
    "rmse": "RMSE",
    "held_out_first": "held-out r, first",
    "held_out_second": "held-out r, second",
}


@guarded
def two_runs() -> None:
    """Let the user choose two runs of one slide and compare them."""
    st.title("Two runs of one slide")
    rows = get_context().catalog.runs(kinds=[Kind.PREDICT], states=[State.DONE])
    twice = [row for row in rows if sum(other.slide_id == row.slide_id for other in rows) > 1]
    if not twice:
        empty_state(
            "No slide has two finished predictions yet: predict a slide again with another model "
            "or stain normalisation.",
            "predict.py",
            "Go to Predict",
        )
        return
    named = {st.query_params[name] for name in ("run", "with") if name in st.query_params}
    if named - {row.id for row in twice}:
        st.warning(
            "A run in this link was deleted or is the only one of its slide; other runs are shown."
        )
    one, other = st.columns(2)
    with one:
        first = choose_row("First run", "run", twice, run_text)
    with other:
        others = [r for r in twice if r.slide_id == first.slide_id and r.id != first.id]
        second = choose_row("Second run", "with", others, run_text)
    sample_note(first.slide)
    pair = _pair(first.id, second.id)
    _headline(pair)
    _what_differs(first, second, pair)
    gene = _gene(pair)
    _maps((first, second), gene)
    _table(pair, first, second)


@st.cache_resource(max_entries=8, show_spinner="Reading both runs…")
def _pair(first: str, second: str) -> RunPair:
    return pair_runs(_prediction(first), _prediction(second))


def _prediction(run_id: str) -> Prediction:
    return get_context().tiles.open_run(run_id).prediction


def _headline(pair: RunPair) -> None:
    """Show how well the runs agree, beside the agreement with maps of other genes."""
    r, control = pair.genes["pearson"].median(), pair.genes["other_gene_pearson"].median()
    with st.container(horizontal=True):
        metric(
            "Median r between the runs",
            f"{r:.3f}",
            f"with another gene: {control:.2f}",
            help="Correlation of a gene's map in the first run with its map in the second, over "
            "the tiles in both. The correlation with another gene's map, below it, shows how much "
            "tissue structure alone explains.",
        )
        st.metric("Genes in both", f"{len(pair.genes):,}", width="content")
        st.metric("Tiles in both", f"{pair.n_tiles:,}", width="content")
    st.caption(
        "Agreement is not accuracy: two models may share an error. See their held-out scores."
    )


def _what_differs(first: RunRow, second: RunRow, pair: RunPair) -> None:
    settings, quality = st.columns(2)
    facts = [_facts(run) for run in (first, second)]
    table = pd.DataFrame({"first": facts[0], "second": facts[1]}).fillna("–")
    table = table[table["first"] != table["second"]].rename_axis("setting")
    with settings:
        st.markdown("**Differences in model, settings and versions**")
        if table.empty:
            st.markdown("None recorded: model, settings and versions are the same.")
        else:
            st.dataframe(table)
    with quality:
        st.markdown("**Tiles by quality**")
        st.dataframe(pair.quality)


def _facts(run: RunRow) -> dict[str, str]:
    record = run.prediction_record
    flat = {"model": run.model_name, "model version": (run.model_sha256 or "")[:12]}
    flat |= {
        key.replace("_", " "): str(value)
        for key, value in record.settings.model_dump().items()
        if not isinstance(value, dict | tuple)
    }
    return flat | {f"version of {name}": value for name, value in record.versions.items()}


def _gene(pair: RunPair) -> str:
    ranked = pair.genes.sort_values("held_out_first", ascending=False, na_position="last")
    genes = list(ranked.index)
    return choose(
        "Gene (best held-out score first)",
        "gene",
        genes,
        lambda g: f"{g}   r {ranked.pearson[g]:.2f} between the runs",
    )


def _maps(runs: Sequence[RunRow], gene: str) -> None:
    """Draw the gene of both runs on one colour scale."""
    predictions = [_prediction(run.id) for run in runs]
    values = [prediction.gene(gene) for prediction in predictions]
    limits = robust_limits(np.concatenate(values))  # one scale, or equal maps would look different
    for name, run, prediction, own, place in zip(
        ("First", "Second"), runs, predictions, values, st.columns(2), strict=True
    ):
        record = prediction.record
        unit = unit_label(record.model.expression_unit)
        figure = overlay(
            run_canvas(run),
            prediction.centres,
            own,
            tile=prediction.tile_level0,
            stride=record.tiles.stride_level0_px,
            label=gene,
            unit=unit,
            limits=limits,
            height=460,
        )
        with place:
            st.markdown(f"**{name}:** {plain(run_text(run))}")
            st.plotly_chart(
                figure,
                key=f"{name}-{run.id}",
                config=CHART_CONFIG,
                alt=f"{name} run: map of predicted {gene} in {unit} over {run_text(run)}",
            )


def _table(pair: RunPair, first: RunRow, second: RunRow) -> None:
    st.subheader("All genes", anchor=False)
    numbers = {
        column: st.column_config.NumberColumn(label, format="%.3f")
        for column, label in COLUMNS.items()
    }
    ranked = pair.genes.sort_values("pearson", na_position="last")
    st.dataframe(ranked, column_config=numbers, height=320)
    st.caption("Genes with the least agreement come first. Differences are second minus first.")
    table = partial(genes_csv, pair.genes)
    download("Agreement of all genes as CSV", table, "two-runs", first.id[:8], second.id[:8])


two_runs()
