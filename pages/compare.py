"""Compare: a run against measured spatial transcriptomics of the same section."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.catalog import ComparisonRow, RunRow, new_id
from histospace_core.evaluation.compare import Comparison, compare_run, open_comparison
from histospace_core.exports import file_name, genes_csv, spots_csv
from histospace_core.expression import read_measured
from histospace_core.figures.canvas import Canvas
from histospace_core.figures.colours import unit_label
from histospace_core.figures.comparison import scatter, shared_limits, spot_map
from histospace_core.web import get_context, measured_uploader, selection, slide_image_url
from histospace_core.web.intake import measured_file
from histospace_core.web.parts import CHART_CONFIG, chosen, guarded, keep, plain, run_picker, when


@guarded
def compare() -> None:
    """Choose a run, bring measured expression, look at both."""
    st.title("Compare")
    run = run_picker()
    if run is None:
        return
    rows = get_context().catalog.comparisons(run.id)
    with st.expander("Measured expression", expanded=not rows):
        _bring(run)
    if not rows:
        st.info("Bring measured expression of this section to see it beside the prediction.")
        return
    row = _pick(rows)
    comparison = _open(row.id)
    _headline(comparison)
    gene = _gene_picker(comparison)
    if gene is not None:
        _figures(run, comparison, gene)
    _table(comparison)
    _downloads(run, comparison, gene)


def _bring(run: RunRow) -> None:
    slide = run.slide
    if slide is not None and slide.counts_path:
        st.markdown("The measurement of this section came with the slide.")
        if st.button("Compare with it", type="primary"):
            spots = Path(slide.spots_path) if slide.spots_path else None
            _compare(run, Path(slide.counts_path), spots, f"measurement of {slide.name}")
        st.divider()
    st.markdown(
        "A table of counts (TSV) with its spot file; or one `.h5ad`; or a zip of a Space Ranger "
        "folder. Raw counts, positions in full-resolution pixels of this slide."
    )
    counts = measured_uploader(f"counts-{run.id}", "Counts, .h5ad or zip")
    spots = measured_uploader(f"spots-{run.id}", "Spot file (only for a table of counts)")
    ready = counts is not None and "measured_id" in counts
    if st.button("Compare", disabled=not ready) and counts is not None:
        files = [_uploaded(answer) for answer in (counts, spots)]
        if files[0] is not None:
            _compare(run, files[0], files[1], counts["name"])


def _uploaded(answer: dict[str, Any] | None) -> Path | None:
    if answer is None or "measured_id" not in answer:
        return None
    return measured_file(get_context().settings, answer["measured_id"])


@guarded
def _compare(run: RunRow, counts: Path, spots: Path | None, name: str) -> None:
    with st.spinner("Reading the measurement and comparing…"):
        folder = run.directory / "comparisons" / new_id()
        result = compare_run(run.directory, read_measured(counts, spots), folder)
        row = get_context().catalog.add_comparison(run.id, name, folder, result.summary)
    st.query_params["comparison"] = row.id
    st.rerun()


def _pick(rows: list[ComparisonRow]) -> ComparisonRow:
    by_id = {row.id: row for row in rows}
    picked = st.selectbox(
        "Comparison",
        list(by_id),
        index=chosen("comparison", list(by_id)),
        format_func=lambda key: f"{by_id[key].measured_name} · {when(by_id[key].created_at)}",
    )
    keep("comparison", picked)
    return by_id[picked]


@st.cache_resource(max_entries=8)
def _open(comparison_id: str) -> Comparison:
    return open_comparison(get_context().catalog.comparison(comparison_id).directory)


def _headline(comparison: Comparison) -> None:
    """Show the scores, each beside what the mean profile reaches without an image."""
    s = comparison.summary
    st.caption(plain(f"{s['alignment']['message']} {s['genes']}"))
    for warning in (s["training_warning"], s["domain_warning"]):
        if warning:
            st.warning(plain(warning))
    scores = (
        ("Mean per-gene r", s["per_gene_pearson"], 0.0, "Does the map of a gene go up and down "
         "where the measurement does? Mean over the genes that vary. A mean profile is flat: 0."),
        ("Error ratio", s["mse_ratio_to_mean"], 1.0, "Squared error divided by that of the "
         "training-mean profile. Below 1 is better."),
        ("Per-spot r", s["per_spot_pearson"], s["mean_profile_per_spot_pearson"], "Correlation "
         "across genes within a spot. High without any image, since some genes are always high: "
         "read it only beside the mean profile's."),
    )  # fmt: skip
    with st.container(horizontal=True):
        for label, value, baseline, why in scores:
            st.metric(
                label,
                "not evaluable" if value is None else f"{value:.3f}",
                delta=f"mean profile: {baseline:.3g}",
                delta_color="off",
                delta_arrow="off",
                help=why,
                width="content",
            )
        st.metric("Spots", f"{s['n_spots']:,}", width="content")
        st.metric("Genes scored", f"{s['n_genes_scored']:,}", width="content")
    share = s["share_of_genes_beating_mean"]
    verdict = "beats" if s["mse_ratio_to_mean"] < 1 else "**does not beat**"
    st.markdown(
        f"Over all genes the prediction {verdict} the mean profile; for {share:.0%} of the genes "
        "it has the smaller error."
    )


def _gene_picker(comparison: Comparison) -> str | None:
    scored = comparison.genes.dropna(subset=["pearson"]).set_index("gene")
    scored = scored.sort_values("held_out_pearson", ascending=False, na_position="last")
    if scored.empty:
        st.info("No gene can be evaluated: each is constant in the measurement or not measured.")
        return None
    genes = list(scored.index)
    gene = st.selectbox(
        "Gene (best held-out score first)",
        genes,
        index=chosen("gene", genes),
        format_func=lambda g: (
            f"{g}   r {scored.pearson[g]:.2f} here, {scored.held_out_pearson[g]:.2f} held out"
        ),
    )
    keep("gene", gene)
    row = scored.loc[gene]
    better = "beats" if row.mse_ratio_to_mean < 1 else "does not beat"
    st.markdown(
        f"{plain(gene)}: r **{row.pearson:.2f}**, error ratio **{row.mse_ratio_to_mean:.2f}** "
        f"({better} the mean profile), held-out r {row.held_out_pearson:.2f}"
    )
    return gene


def _figures(run: RunRow, comparison: Comparison, gene: str) -> None:
    """Draw both maps on one scale and the scatter; a selection in one shows in all."""
    spots, scope = comparison.spots, comparison.directory.name
    column = spots.var_names.get_loc(gene)
    layers = {k: np.asarray(spots.layers[k][:, column]).ravel() for k in ("measured", "predicted")}
    unit = unit_label(comparison.summary["expression_unit"])
    rows = selection.selected(scope)
    look = {"unit": unit, "selected": rows}
    limits = shared_limits(*layers.values())
    canvas = _canvas(run)
    diameter = run.provenance["tiles"]["side_level0_px"]
    figures = {
        name: spot_map(
            canvas, spots.obsm["spatial"], values,
            diameter=diameter, label=f"{gene} {name}", limits=limits, **look,
        )
        for name, values in layers.items()
    }  # fmt: skip
    figures["scatter"] = scatter(layers["measured"], layers["predicted"], gene=gene, **look)
    for (name, figure), place in zip(figures.items(), st.columns(3), strict=True):
        chart = f"{name}-{scope}"
        place.plotly_chart(
            figure,
            key=chart,
            config=CHART_CONFIG,
            on_select=partial(selection.keep, scope, chart),
            selection_mode=["box", "lasso"],
            alt=f"{gene}: {name}, {len(spots)} spots, {unit}",
        )
    if rows:
        means = " · ".join(f"{name} mean {v[rows].mean():.2f}" for name, v in layers.items())
        st.markdown(f"**{len(rows)} spots selected** · {means} {plain(unit)}")
        st.button("Clear selection", on_click=selection.clear, args=(scope,))
    else:
        st.caption("Select with box or lasso in one figure: the same spots stand out in all.")


def _canvas(run: RunRow) -> Canvas:
    slide = run.provenance["slide"]
    image = slide_image_url(run.slide_id, 2048) if run.slide_id else None
    return Canvas(slide["width"], slide["height"], slide["mpp"], image)


def _table(comparison: Comparison) -> None:
    st.subheader("All genes", anchor=False)
    table = comparison.genes[
        ["gene", "pearson", "mse_ratio_to_mean", "held_out_pearson", "spearman", "rmse",
         "p_value", "q_value", "n_spots", "note"]
    ]  # fmt: skip
    table = table.assign(note=table["note"].fillna(""))
    names = {
        "pearson": "r", "mse_ratio_to_mean": "error ratio (mean: 1)",
        "held_out_pearson": "held-out r", "p_value": "p", "q_value": "q", "n_spots": "spots",
    }  # fmt: skip
    numbers = {
        c: st.column_config.NumberColumn(
            names.get(c, c), format="%.2g" if c in ("p_value", "q_value") else "%.3f"
        )
        for c in table.columns
        if pd.api.types.is_float_dtype(table[c])
    }
    st.dataframe(table, column_config=numbers, hide_index=True, height=320)
    st.caption(f"p by {plain(comparison.summary['p_values'])}; q after Benjamini and Hochberg.")


def _downloads(run: RunRow, comparison: Comparison, gene: str | None) -> None:
    scores = partial(genes_csv, comparison.genes)
    offers = [("Scores of all genes as CSV", file_name("comparison", run.id[:8]), scores)]
    if gene is not None:
        spots = partial(spots_csv, comparison.spots, gene, comparison.summary)
        name = file_name("spots", gene, run.id[:8])
        offers.append((f"{gene} at every spot as CSV", name, spots))
    with st.container(horizontal=True):
        for label, name, data in offers:
            st.download_button(
                plain(label), data, name, "text/csv", on_click="ignore", icon=":material/download:"
            )


compare()
