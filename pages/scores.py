"""Evaluation: finished cross-validations, and the leaderboard of networks on the same folds."""

from functools import partial

import pandas as pd
import streamlit as st

from histospace_core.catalog import Kind, RunRow, State
from histospace_core.catalog.records import EvaluateRecord
from histospace_core.evaluation.noise import SHARE_COLUMNS, range_text, share_text
from histospace_core.exports import genes_csv
from histospace_core.figures.scores import ceiling_spread, ranking
from histospace_core.server import get_context
from histospace_core.shipped import SHIPPED
from histospace_core.web.library.evaluations import (
    Evaluation,
    read_evaluation,
    read_leaderboard,
)
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.parts import (
    CHART_CONFIG,
    choose,
    choose_row,
    empty_state,
    guarded,
    metric,
    plain,
    time_text,
)

LEADERBOARD = SHIPPED / "docs" / "leaderboard.csv"
HEADERS = {
    "per_gene_pearson": "per-gene r (mean profile: 0)",
    "per_gene_pearson_hvg50": "HVG50 r (mean profile: 0)",
    "mse_ratio_to_mean": "error ratio (mean profile: 1)",
    "per_spot_pearson": "per-spot r",
    "mean_profile_per_spot_pearson": "mean profile's per-spot r",
    "per_gene_pearson_given_depth": "r given the depth (mean profile: 0)",
    "noise_ceiling_low": "noise ceiling from",
    "noise_ceiling": "noise ceiling to",
    "share_of_noise_ceiling": "share of the ceiling",
    "share_of_noise_ceiling_low": "share of its lower end",
}
HEADLINE = {
    "Per-gene r": "per_gene_pearson",
    "HVG50 r": "per_gene_pearson_hvg50",
    "Error ratio": "mse_ratio_to_mean",
    "Per-spot r": "per_spot_pearson",
}


@guarded
def scores() -> None:
    """Show the evaluations of this installation and the leaderboard."""
    st.title("Evaluation")
    st.caption(
        "Scores on held-out sections. Read every score beside that of the mean profile, which uses "
        "no image, and beside the noise ceiling."
    )
    own, board = st.tabs(["Evaluations", "Leaderboard"])
    with own:
        _evaluations()
    with board:
        _leaderboard()


@guarded
def _evaluations() -> None:
    runs = get_context().catalog.runs(kinds=[Kind.EVALUATE], states=[State.DONE])
    if not runs:
        empty_state(
            "No evaluation has finished yet: choose a cohort on Train, then “Evaluate only”.",
            "train.py",
            "Go to Train",
        )
        return
    run = choose_row("Evaluation", "evaluation", runs, _title)
    evaluation = read_evaluation(run.directory)
    _overall(evaluation)
    _folds(evaluation)
    _genes(evaluation, run.id)


def _title(run: RunRow) -> str:
    assert isinstance(run.record, EvaluateRecord)
    folds = f"{len(run.record.folds)} held-out sections"
    return f"{run.model_name} · {folds} · {time_text(run.created_at)}"


def _overall(evaluation: Evaluation) -> None:
    for leak in evaluation.leaks:
        st.warning(f"These scores are optimistic: {plain(leak)}.")
    with st.container(horizontal=True):
        for label, key in HEADLINE.items():
            value, baseline = evaluation.mean(key), evaluation.baseline(key)
            metric(label, _number(value), f"mean profile: {baseline:.3g}")
        given_depth = evaluation.mean("per_gene_pearson_given_depth")
        if pd.notna(given_depth):  # older evaluations lack it
            metric("r given the depth", _number(given_depth), "mean profile: 0")
        shares = [evaluation.mean(column) for column in SHARE_COLUMNS]
        ceiling = range_text(
            *(evaluation.mean(key) for key in ("noise_ceiling_low", "noise_ceiling"))
        )
        metric("Share of the noise ceiling", share_text(shares), f"ceiling of r: {ceiling}")
    beats = "beats" if evaluation.mean("mse_ratio_to_mean") < 1 else "**does not beat**"
    spot = evaluation.mean("per_spot_pearson") > evaluation.baseline("per_spot_pearson")
    st.markdown(
        f"Judged by its error, the network {beats} the mean profile; its per-spot r is "
        f"{'above' if spot else '**not above**'} the mean profile's."
    )
    if evaluation.coverage:
        st.markdown(evaluation.coverage)
    with st.expander("All scores beside the mean profile's"):
        forms = {
            "network": "this network",
            "low": "95 % from",
            "high": "to",
            "mean_profile": "mean profile, no image",
        }
        st.dataframe(
            evaluation.table(),
            hide_index=True,
            height="content",
            column_config={
                key: st.column_config.NumberColumn(label, format="%.3f")
                for key, label in forms.items()
            },
        )
        note = evaluation.summary["summary"].get("note", "")
        st.caption(
            f"Mean over seeds, then over a patient's sections, then over patients. {plain(note)}"
        )


def _folds(evaluation: Evaluation) -> None:
    st.subheader("Held-out sections", anchor=False)
    table = evaluation.folds
    wanted = ["test", "patient", "seed", "n_spots", "n_genes", *HEADERS, "train_seconds"]
    numbers = {
        key: st.column_config.NumberColumn(label, format="%.3f") for key, label in HEADERS.items()
    }
    st.dataframe(
        table[[column for column in wanted if column in table]],
        hide_index=True,
        column_config={
            **numbers,
            "test": "section",
            "n_spots": "spots",
            "n_genes": "genes",
            "train_seconds": st.column_config.NumberColumn("training, s", format="%.0f"),
        },
    )


def _genes(evaluation: Evaluation, run_id: str) -> None:
    st.subheader("Genes", anchor=False)
    sections = list(dict.fromkeys(evaluation.genes["test"]))
    section = choose("Section", "section", sections)
    genes = evaluation.section_genes(section)
    scored = genes["pearson"].notna().sum()
    st.plotly_chart(
        ceiling_spread(genes),
        key=f"spread-{run_id}-{section}",
        config=CHART_CONFIG,
        alt=f"Per-gene r of {scored} genes on section {section} beside the noise ceiling",
    )
    part = st.text_input("Find genes", placeholder="part of a name", icon=":material/search:")
    found = genes[genes["gene"].str.contains(part.strip(), case=False, regex=False)]
    st.dataframe(
        found,
        hide_index=True,
        height=320,
        column_config={
            column: st.column_config.NumberColumn(
                {"pearson": "r", "pearson_given_depth": "r given the depth", **HEADERS}.get(
                    column, column
                ),
                format="%.3f",
            )
            for column in found.select_dtypes("float")
        },
    )
    st.caption(f"{len(found):,} of {len(genes):,} genes; {scored:,} could be scored.")
    table = partial(genes_csv, evaluation.genes)
    download("Scores of all genes as CSV", table, "evaluation", run_id[:8])


@guarded
def _leaderboard() -> None:
    table = read_leaderboard(LEADERBOARD)
    if table is None:
        st.info("There is no leaderboard yet: the benchmark of the networks creates it.")
        return
    splits = list(dict.fromkeys(table["split"]))
    split = st.segmented_control("Split", splits, default=splits[0]) or splits[0]
    rows = table[table["split"] == split].drop(columns="split")
    st.plotly_chart(
        ranking(rows),
        key=f"ranking-{split}",
        config=CHART_CONFIG,
        alt=f"Per-gene r of {len(rows)} networks, {split}; the best is {rows.iloc[0]['network']}",
    )
    numbers = {
        **{key: st.column_config.NumberColumn(HEADERS[key], format="%.3f") for key in HEADERS},
        "n_parameters": st.column_config.NumberColumn("parameters", format="compact"),
        "gmacs_per_tile": st.column_config.NumberColumn("GMACs per tile", format="%.3g"),
        "train_seconds": st.column_config.NumberColumn("training, s", format="%.0f"),
        "tiles_per_second_cpu": st.column_config.NumberColumn("tiles/s, CPU", format="%.0f"),
        "peak_memory_mb": st.column_config.NumberColumn("peak memory, MB", format="%.0f"),
    }
    st.dataframe(rows, hide_index=True, column_config=numbers)
    download("Leaderboard as CSV", LEADERBOARD.read_bytes, "leaderboard")


def _number(value: float) -> str:
    return "not evaluable" if pd.isna(value) else f"{value:.3f}"


scores()
