"""Compare: a prediction and the measured expression of the same section."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from histospace_core.catalog import ComparisonRow, RunRow
from histospace_core.comparison.compare import Comparison, open_comparison
from histospace_core.errors import HistospaceError, shown_as
from histospace_core.evaluation.noise import range_text
from histospace_core.exports import genes_csv, spots_csv
from histospace_core.expression import Placement
from histospace_core.progress import Progress
from histospace_core.server import get_context
from histospace_core.server.comparing import compare_in_child
from histospace_core.server.measured_files import measured_file
from histospace_core.web.compare.adapt import adapt_to_patient
from histospace_core.web.compare.headline import headline
from histospace_core.web.compare.maps import gene_maps
from histospace_core.web.compare.placement import Source, place_by_hand, registration_facts
from histospace_core.web.compare.table import genes_view
from histospace_core.web.gene_map.gene_box import gene_box
from histospace_core.web.gene_map.gene_picker import gene_finder
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.inspection_panel import inspection_panel
from histospace_core.web.widgets.measured_choice import asking, measured_choice
from histospace_core.web.widgets.parts import (
    choose_row,
    guarded,
    initial_index,
    plain,
    remember_choice,
    run_picker,
    time_text,
)
from histospace_core.web.widgets.run_progress import progress_bar
from histospace_core.web.widgets.uploader import measured_uploader


@guarded
def compare() -> None:
    """Let the user choose a run, add measured expression and compare the two."""
    st.title("Compare")
    run = run_picker()
    if run is None:
        return
    rows = get_context().catalog.comparisons(run.id)
    # removed: a reload must not compare again
    requested = st.query_params.pop("measured", None) == "slide"
    with st.expander("Measured expression", expanded=not rows):
        _bring(run, at_once=requested and not rows)
    if not rows:
        st.info("Add measured expression of this section to compare it with the prediction.")
        return
    row = choose_row("Comparison", "comparison", rows, _title)
    comparison = _open(row.id)
    headline(comparison)
    registration_facts(run, comparison)
    _gene(run, comparison)
    reliable = get_context().tiles.open_run(run.id).prediction.var["reliable"]
    genes_view(comparison, reliable, partial(_choose, comparison))


@st.fragment
@guarded
def _gene(run: RunRow, comparison: Comparison) -> None:
    """Show one gene; choosing another gene reruns only this fragment."""
    gene = _gene_picker(run, comparison)
    if gene is not None:
        gene_maps(run, comparison, gene)
    _downloads(run, comparison, gene)


def _bring(run: RunRow, at_once: bool) -> None:
    slide, source = run.slide, None
    if slide is not None and slide.counts_path:
        st.markdown("This slide has measured expression attached.")
        spots = Path(slide.spots_path) if slide.spots_path else None
        counts, name = Path(slide.counts_path), f"measurement of {slide.name}"
        choice, goes_on = measured_choice(counts, name, slide.choice)
        if goes_on:
            get_context().catalog.attach_measured(slide.id, counts, spots, choice)
        source = Source(counts, spots, name, choice)
        if st.button("Compare with it", type="primary") or at_once or goes_on:
            _compare(run, source)
        st.divider()
    st.markdown(
        "Upload a table of counts (TSV) with its spot file, an `.h5ad` file, or a zip or tar of "
        "a Space Ranger or Xenium folder or of a SpatialData store. Counts must be raw, and "
        "positions in full-resolution pixels of this slide."
    )
    uploaded, goes_on = _uploaded(run), False
    if uploaded is not None:
        choice, goes_on = measured_choice(uploaded.counts, uploaded.name)
        uploaded = replace(uploaded, choice=choice)
        inspection_panel(uploaded.counts, uploaded.name, uploaded.spots, choice=choice)
    pressed = st.button("Compare", disabled=uploaded is None)
    if uploaded is not None and (pressed or goes_on):
        _compare(run, uploaded)
    source = uploaded or source
    if source is not None:
        place_by_hand(run, source, partial(_compare, run, source))
        adapt_to_patient(run, source)


def _uploaded(run: RunRow) -> Source | None:
    counts = measured_uploader(f"counts-{run.id}", "Counts, .h5ad or zip")
    spots = measured_uploader(f"spots-{run.id}", "Spot file (only for a table of counts)")
    file = _file(counts)
    return Source(file, _file(spots), counts["name"]) if counts and file else None


def _file(answer: dict[str, Any] | None) -> Path | None:
    if answer is None or "measured_id" not in answer:
        return None
    try:
        return measured_file(get_context().settings, answer["measured_id"])
    except HistospaceError as error:  # uploads are deleted after a day
        st.error(plain(error))
        return None


@guarded
def _compare(run: RunRow, source: Source, placement: Placement | None = None) -> None:
    context = get_context()
    with (
        asking(source.counts, then_go_on=True),
        shown_as({source.counts: source.name}),
        progress_bar("Reading the measurement and comparing…") as bar,
    ):

        def show(event: Progress) -> None:
            said = f"Predicting at the spots: {event.done:,} of {event.total:,}"
            bar.progress(event.done / event.total, said)

        row = compare_in_child(
            context.settings,
            context.catalog,
            run,
            source.title,
            source.counts,
            source.spots,
            choice=source.choice,
            placement=placement,
            on_progress=show,
        )
    st.query_params["comparison"] = row.id
    st.rerun()


def _title(row: ComparisonRow) -> str:
    by_hand = row.summary.get("placement", {}).get("by_hand")
    parts = [row.measured_name, "placed by hand" if by_hand else "", time_text(row.created_at)]
    return " · ".join(part for part in parts if part)


@st.cache_resource(max_entries=8)
def _open(comparison_id: str) -> Comparison:
    return open_comparison(get_context().catalog.comparison(comparison_id).directory)


def _gene_picker(run: RunRow, comparison: Comparison) -> str | None:
    scored = comparison.genes.dropna(subset=["pearson"]).set_index("gene")
    scored = scored.sort_values("held_out_pearson", ascending=False, na_position="last")
    if scored.empty:
        st.info("No gene can be scored: every gene is constant in the measurement or not measured.")
        return None
    genes, key = list(scored.index), f"gene-{comparison.directory.name}"
    # The table below this field cannot set it in the same run: Streamlit forbids that for a field
    # that has been drawn. `_choose` leaves the gene for the next run.
    wanted = st.session_state.pop(f"wanted-{key}", None) or st.session_state.get(key)
    st.session_state[key] = wanted if wanted in genes else genes[initial_index("gene", genes)]
    finder = gene_finder(get_context().tiles.open_run(run.id).prediction)
    labels = {
        g: " · ".join([f"{g}   r {here:.2f} here, {held_out:.2f} held out", *finder.other_names(g)])
        for g, here, held_out in zip(genes, scored.pearson, scored.held_out_pearson, strict=True)
    }
    gene = gene_box(
        run.id,
        genes,
        labels,
        f"Gene, of {len(genes):,} with a score: type a symbol or an alias",
        key=key,
    )
    remember_choice("gene", gene)
    row = scored.loc[gene]
    facts = comparison.spots.var.loc[gene]
    given_depth = range_text(facts.get("pearson_given_depth"), form="{:.2f}", unknown="")
    ends = (facts.get("noise_ceiling"), facts.get("noise_ceiling_low"))
    ceiling = range_text(*ends, form="{:.2f}", unknown="")
    limit = ", ".join(
        ["mean profile 0"]
        + ([f"given the depth {given_depth}"] if given_depth else [])
        + ([f"noise ceiling {ceiling}"] if ceiling else [])
    )
    better = "beats" if row.mse_ratio_to_mean < 1 else "does not beat"
    st.markdown(
        f"{plain(gene)}: r **{row.pearson:.2f}** ({limit}), error ratio "
        f"**{row.mse_ratio_to_mean:.2f}** ({better} the mean profile), held-out r "
        f"{row.held_out_pearson:.2f}"
        + (
            f"; at the spots: r **{row.pearson_at_spots:.2f}**, error ratio "
            f"**{row.mse_ratio_at_spots:.2f}**"
            if "pearson_at_spots" in row
            else ""
        )
    )
    return gene


def _choose(comparison: Comparison, gene: str) -> None:
    """Show the gene chosen in the table, unless it has no score and therefore no map."""
    if comparison.genes.set_index("gene")["pearson"].notna()[gene]:
        st.session_state[f"wanted-gene-{comparison.directory.name}"] = gene
        st.rerun()


def _downloads(run: RunRow, comparison: Comparison, gene: str | None) -> None:
    scores = partial(genes_csv, comparison.genes)
    with st.container(horizontal=True):
        download("Scores of all genes as CSV", scores, "comparison", run.id[:8])
        if gene is not None:
            spots = partial(spots_csv, comparison.spots, gene, comparison.summary)
            download(f"{gene} at every spot as CSV", spots, "spots", gene, run.id[:8])


compare()
