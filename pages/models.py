"""Models: training data and scores of each model, and two models side by side."""

from functools import partial

import streamlit as st

from histospace_core.catalog import ModelRow
from histospace_core.exports import genes_csv
from histospace_core.figures.scores import model_scatter, score_spread
from histospace_core.networks import ModelPackage, load_package
from histospace_core.server import get_context
from histospace_core.web.library.intervals import show_intervals
from histospace_core.web.library.model_cards import (
    card_markdown,
    overview,
    package_zip,
    same_training_data,
    score_warning,
    shared_genes,
)
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.parts import CHART_CONFIG, choose, guarded, model_card, plain

R = st.column_config.NumberColumn("held-out r (mean profile: 0)", format="%.3f")
RATIO = st.column_config.NumberColumn("error ratio (mean profile: 1)", format="%.3f")


@guarded
def models() -> None:
    """List the model packages; show one, or two side by side."""
    st.title("Models")
    rows = {row.name: row for row in get_context().catalog.models()}
    if not rows:
        st.info("No models found. Models are still loading if the app has just started.")
        st.button("Check again")
        return
    _overview(list(rows.values()))
    left, right = st.columns(2)
    default = get_context().settings.default_model
    rows = {n: rows[n] for n in sorted(rows, key=lambda n: (n != default, n))}
    with left:
        name = choose("Model", "model", list(rows))
    others = [other for other in rows if other != name]
    beside = st.query_params.get("beside")
    # in the state, not as `index`: see `choose`
    st.session_state["beside"] = beside if beside in others else None
    other = right.selectbox(
        "Compare with",
        others,
        key="beside",
        on_change=lambda: _compare_with(st.session_state["beside"]),
        placeholder="another model" if others else "no other model yet",
        disabled=not others,
    )
    _compare_with(other)
    if other is None:
        _show_one(rows[name])
    else:
        _compare_two(rows[name], rows[other])


def _compare_with(other: str | None) -> None:
    if other is None:
        st.query_params.pop("beside", None)
    else:
        st.query_params["beside"] = other


def _overview(rows: list[ModelRow]) -> None:
    st.dataframe(
        overview(rows),
        hide_index=True,
        column_config={
            "held_out_r": R,
            "error_ratio": RATIO,
            "held_out": st.column_config.TextColumn(
                "held out by",
                help="By patient: scored on held-out patients. By section: scored on other "
                "sections of the training patients, which is optimistic.",
            ),
            "added": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
    )
    st.page_link("train.py", label="Train a new model", icon=":material/add:")


def _show_one(row: ModelRow) -> None:
    package = load_package(row.folder)
    st.subheader(plain(row.name), anchor=False)
    _card_and_warning(row)
    _actions(row, package)
    scores, genes, intervals, card = st.tabs(["Scores", "Genes", "Intervals", "Model card"])
    with scores:
        _score_distribution(package)
    with genes:
        _genes(package)
    with intervals:
        show_intervals(package)
    with card:
        st.markdown(card_markdown(package))


def _card_and_warning(row: ModelRow) -> None:
    model_card(row)
    if warning := score_warning(row):
        st.warning(plain(warning))


def _actions(row: ModelRow, package: ModelPackage) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "predict.py",
            label="Predict with it",
            icon=":material/play_circle:",
            query_params={"model": row.name},
        )
        download(
            "Model package as zip",
            partial(package_zip, package),
            row.name,
            suffix=".zip",
            key=f"zip-{row.name}",
        )


def _score_distribution(package: ModelPackage) -> None:
    """Show the distribution of the held-out scores over the genes."""
    scores = package.genes["held_out_pearson"]
    if scores.notna().sum() == 0:
        st.info("No section could be held out when this model was trained, so it has no scores.")
        return
    below = (scores <= 0).sum()
    beaten = (package.genes["mse_ratio_to_mean"] < 1).sum()
    st.plotly_chart(
        score_spread(scores, label="held-out r"),
        key=f"spread-{package.name}",
        config=CHART_CONFIG,
        alt=f"Held-out r of {scores.notna().sum()} genes, mean {scores.mean():.2f}",
    )
    st.markdown(
        f"For {beaten:,} of {scores.notna().sum():,} scored genes, the error on held-out sections "
        f"is below the mean profile's; for {below:,}, the correlation is 0 or less."
    )
    rule = package.config.get("metrics", {}).get("reliable_rule")
    if rule:
        st.caption(f"Reliable: {plain(rule)}.")


def _genes(package: ModelPackage) -> None:
    text, only = st.columns([3, 2], vertical_alignment="bottom")
    part = text.text_input("Find genes", placeholder="part of a name", icon=":material/search:")
    table = package.genes
    if only.checkbox("Reliable only"):
        table = table[table["reliable"]]
    table = table[table["gene"].str.contains(part.strip(), case=False, regex=False)]
    table = table.sort_values("held_out_pearson", ascending=False, na_position="last")
    st.caption(f"{len(table):,} of {len(package.genes):,} genes")
    numbers = {
        column: st.column_config.NumberColumn(format="%.3f")
        for column in table.select_dtypes("float")
    }
    st.dataframe(
        table,
        hide_index=True,
        height=360,
        column_config={**numbers, "held_out_pearson": R, "mse_ratio_to_mean": RATIO},
    )
    download(
        "Scores of all genes as CSV",
        partial(genes_csv, package.genes),
        "gene-scores",
        package.name,
        key=f"csv-{package.name}",
    )


def _compare_two(one: ModelRow, other: ModelRow) -> None:
    packages = [load_package(row.folder) for row in (one, other)]
    for row, package, place in zip((one, other), packages, st.columns(2, gap="large"), strict=True):
        with place:
            st.subheader(plain(row.name), anchor=False)
            _card_and_warning(row)
            _actions(row, package)
    _warn_if_incomparable(*packages)
    _gene_by_gene(*packages)


def _warn_if_incomparable(one: ModelPackage, other: ModelPackage) -> None:
    by = [package.config.get("metrics", {}).get("held_out_by") for package in (one, other)]
    if not same_training_data(one, other):
        st.warning(
            "These models were trained and scored on different sections, so a difference may come "
            "from the sections as well as from the models."
        )
    elif by[0] != by[1]:
        st.warning(
            "One model was scored by patient and the other by section: do not compare their scores."
        )
    else:
        st.caption("Both models were trained and scored on the same sections.")


def _gene_by_gene(one: ModelPackage, other: ModelPackage) -> None:
    table = shared_genes(one, other)
    scored = table.dropna(subset=["held_out_pearson_a", "held_out_pearson_b"])
    st.subheader("Gene by gene", anchor=False)
    if scored.empty:
        st.info("No gene has a score in both models.")
        return
    better = (scored["difference"] > 0).sum()
    st.markdown(
        f"{len(scored):,} genes have a score in both models. For {better:,} of them "
        f"({better / len(scored):.0%}), {plain(other.name)} has the higher correlation. Mean r is "
        f"{scored['held_out_pearson_a'].mean():.3f} and "
        f"{scored['held_out_pearson_b'].mean():.3f}."
    )
    figure, genes = st.columns([2, 3], gap="medium")
    names = (one.name, other.name)
    figure.plotly_chart(
        model_scatter(
            scored["gene"],
            scored["held_out_pearson_a"].to_numpy(),
            scored["held_out_pearson_b"].to_numpy(),
            names=names,
        ),
        key=f"scatter-{one.name}-{other.name}",
        config=CHART_CONFIG,
        alt=f"Held-out r of {len(scored)} genes, {names[1]} against {names[0]}",
    )
    headers = {"difference": "difference in r"}
    for end, name in zip("ab", names, strict=True):
        headers |= {f"held_out_pearson_{end}": f"r, {name}"}
        headers |= {f"mse_ratio_to_mean_{end}": f"error ratio, {name}"}
    genes.dataframe(
        scored[["gene", *headers]],
        hide_index=True,
        height=420,
        column_config={
            column: st.column_config.NumberColumn(label, format="%.3f")
            for column, label in headers.items()
        },
    )


models()
