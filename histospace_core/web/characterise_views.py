"""Views of a characterised run: its domains, what marks them, its signatures."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.characterise.levels import CLEAR_EFFECT
from histospace_core.exports.characterisation import Stored, marked
from histospace_core.figures.canvas import Canvas
from histospace_core.figures.characterisation import domain_map, signature_figure
from histospace_core.figures.colours import unit_label
from histospace_core.figures.markers import UNRELIABLE, marker_dots, marker_figure
from histospace_core.figures.overlay import overlay
from histospace_core.web.links import slide_image_url
from histospace_core.web.parts import CHART_CONFIG, plain, run_text

_EVERY = "all domains"


def level_picker(stored: Stored, key: str) -> int:
    """Let the user choose how finely the tissue is parted; return the number of the level."""
    levels = stored.summary["levels"]
    if len(levels) == 1:
        return 0
    return st.select_slider(
        "Resolution: number of domains",
        list(range(len(levels))),
        value=stored.summary["chosen_level"],
        format_func=lambda i: f"{levels[i]['n_domains']}",
        key=f"level-{key}",
    )


def headline(stored: Stored, level: int) -> None:
    """Say what the result rests on, and show the level's scores, each beside its control."""
    summary, facts = stored.summary, stored.summary["levels"][level]
    st.caption(
        f"{summary['n_tiles']:,} tiles · {summary['n_genes_used']:,} of {summary['n_genes']:,} "
        f"genes used, {summary['share_reliable']:.0%} are reliable"
    )
    for warning in summary["warnings"]:
        st.warning(plain(warning))
    measured = facts["measured"] or {}
    with st.container(horizontal=True):
        st.metric(
            "Stability",
            _number(facts["stability"]),
            delta=f"noise: {_number(facts['stability_control'], 'no domains')}",
            delta_color="off",
            delta_arrow="off",
            width="content",
            help="Agreement (adjusted Rand index) with the domains of random 80 % of the tiles. "
            "Beside it, the same of noise with as much variance, in which no domains are.",
        )
        if "ari" in measured:
            st.metric(
                "Agreement with measured domains",
                f"{measured['ari']:.2f}",
                delta=f"laid elsewhere: {measured['ari_shuffled_mean']:.2f}",
                delta_color="off",
                delta_arrow="off",
                width="content",
                help=f"Adjusted Rand index with {measured['n_measured_domains']} domains found on "
                "the measured expression. Beside it, that of the same map laid elsewhere on the "
                f"tissue (p = {measured['p_value']:.3f}).",
            )
        outside = summary["share_outside_training_tissue"]
        st.metric("Tiles unlike the training tissue", f"{outside:.0%}", width="content")
    if measured.get("note"):
        st.info(plain(measured["note"]))


def names_of(stored: Stored, level: int) -> list[str]:
    """Names of a level's domains, marked where they are not to be trusted."""
    return [marked(f["domain"], f["trust"]) for f in stored.summary["levels"][level]["domains"]]


def domains_view(run: RunRow, stored: Stored, level: int) -> None:
    """Draw the domains over the slide, with a table of how far to trust each."""
    facts = stored.summary["levels"][level]
    figure, table = st.columns([3, 2], gap="medium")
    with figure:
        tiles = run.provenance["tiles"]
        opacity = st.slider("Opacity of the map", 0.0, 1.0, 0.75, 0.05)
        names = names_of(stored, level)
        st.plotly_chart(
            domain_map(
                canvas(run),
                centres(stored),
                stored.labels(level),
                names,
                tile=tiles["side_level0_px"],
                stride=tiles["stride_level0_px"],
                foreign=stored.domains["unlike_training_tissue"].to_numpy(bool),
                opacity=opacity,
            ),
            key=f"domains-{run.id}",
            config=CHART_CONFIG,
            alt=f"Map of {len(names)} domains over {run_text(run)}",
        )
        st.caption("Click a domain in the legend to hide it; scroll to zoom.")
    with table:
        rows = pd.DataFrame(facts["domains"])
        shown = pd.DataFrame(
            {
                "domain": names,
                "tiles": rows["n_tiles"],
                "confidence": rows["confidence"],
                "clear markers": rows["n_clear_markers"],
                "clearest": rows["top_markers"].map(lambda genes: ", ".join(genes[:3])),
                "unlike training": rows["share_outside_training_tissue"],
                "trust": rows["trust"],
            }
        )
        percent = st.column_config.NumberColumn(format="percent")
        st.dataframe(
            shown,
            hide_index=True,
            height="content",
            column_config={"confidence": percent, "unlike training": percent},
            alt="Domains, their size, and how far to trust each",
        )
        st.caption(
            "Names are suggestions: the signature that stands out most. Confidence: how often the "
            "domain's tiles fall to it when tiles are left out. ⚠ marks low trust. A clear marker "
            f"is raised by at least {CLEAR_EFFECT:g} standard deviations."
        )
        _effects(facts["measured"])


def _effects(measured: dict[str, Any] | None) -> None:
    """Say of which domains the measurement confirms what marks them."""
    if not measured or "effects" not in measured:
        return
    st.markdown("**Are the markers in the measurement too?**")
    rows = pd.DataFrame(measured["effects"])
    st.dataframe(
        rows[["region", "n_spots", "pearson", "pearson_shuffled_p95", "p_value"]],
        hide_index=True,
        height="content",
        column_config={
            "region": "domain",
            "n_spots": "spots",
            "pearson": st.column_config.NumberColumn("r over genes", format="%.2f"),
            "pearson_shuffled_p95": st.column_config.NumberColumn("elsewhere, 95 %", format="%.2f"),
            "p_value": st.column_config.NumberColumn("p", format="%.3f"),
        },
        alt="Correlation over genes of predicted with measured differences, by domain",
    )
    st.caption(
        "Correlation, over genes, of the predicted effect with the measured difference. Beside it "
        "what the same domain laid elsewhere reaches in one of twenty cases."
    )


def markers_view(run: RunRow, stored: Stored, level: int) -> None:
    """Show the genes that mark the domains: filters, a figure, a table."""
    names = names_of(stored, level)
    markers = stored.markers(level)
    if markers.empty:
        st.info("Fewer than two domains are large enough to compare at this resolution.")
        return
    which, least, search = st.columns([2, 2, 2])
    domain = which.selectbox("Domain", [_EVERY, *names])
    smallest = least.slider(
        "Least effect, standard deviations",
        0.0,
        3.0,
        CLEAR_EFFECT,
        0.1,
        help="The end of the 95 % interval nearer to zero: the effect is at least this large.",
    )
    wanted = search.text_input("Find a gene", placeholder="part of its name")
    with st.container(horizontal=True):
        lowered = st.toggle("Lowered genes too", False)
        trusted = not markers["reliable"].all() and st.toggle("Reliable genes only", True)
    if trusted:
        markers = markers[markers["reliable"]]
    shown = markers if domain == _EVERY else markers[markers["region"] == str(names.index(domain))]
    effect = shown["least_effect"].abs() if lowered else shown["least_effect"]
    keep = effect >= smallest
    if wanted:
        keep &= shown["gene"].str.contains(wanted, case=False, regex=False)
    shown = shown[keep]
    unit = unit_label(stored.summary["expression_unit"])
    if domain == _EVERY:
        figure = marker_dots(markers, names)
        alt = f"Clearest markers of {len(names)} domains against every domain"
    else:
        only = markers[markers["region"] == str(names.index(domain))]
        figure = marker_figure(only, names, unit=unit, clear=CLEAR_EFFECT, per_domain=20)
        alt = f"Genes most clearly raised in {domain}, with their 95 % intervals"
    st.plotly_chart(figure, key=f"markers-{run.id}", config=CHART_CONFIG, alt=alt)
    _marker_table(shown, names)


def _marker_table(shown: pd.DataFrame, names: list[str]) -> None:
    columns = {
        "region": "domain", "gene": "gene", "effect_size": "effect, SD",
        "least_effect": "least effect, SD", "difference": "difference", "ci_low": "from",
        "ci_high": "to", "mean_in": "mean inside", "mean_out": "mean outside",
        "reliable": "reliable", "measured_difference": "measured difference",
        "measured_q_value": "measured q",
    }  # fmt: skip
    table = shown.assign(region=[names[int(r)] for r in shown["region"]])
    table = table[[c for c in columns if c in table]].rename(columns=columns)
    numbers = {
        name: st.column_config.NumberColumn(format="%.2g" if name == "measured q" else "%.3f")
        for name in table.columns
        if pd.api.types.is_float_dtype(table[name])
    }
    st.markdown(f"**{len(table):,} genes**")
    st.dataframe(table, hide_index=True, height=320, column_config=numbers, alt="Markers")
    st.caption(
        "Ordered by least effect. The domains were found on these very genes, so no p-value is "
        "shown: it would test nothing. "
        + (
            "Measured q tests the same difference on the measurement, which the domains do not "
            "know. "
            if "measured q" in table
            else "Hold the run against a measurement to see which differences are in the tissue. "
        )
        + f"{UNRELIABLE} marks unreliable genes."
    )


def signatures_view(run: RunRow, stored: Stored, level: int) -> None:
    """Show where each signature runs, and how well its score is predicted."""
    rows = pd.DataFrame(stored.summary["signatures"])
    scored = [name for name in rows["signature"] if stored.signatures[name].notna().any()]
    _signature_table(rows)
    if not scored:
        st.info(
            "No signature has three genes that can be used; upload lists of your own, or use all "
            "genes."
        )
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        name = st.selectbox("Signature", scored)
        tiles = run.provenance["tiles"]
        st.plotly_chart(
            overlay(
                canvas(run),
                centres(stored),
                stored.signatures[name].to_numpy(np.float32),
                tile=tiles["side_level0_px"],
                stride=tiles["stride_level0_px"],
                label=name,
                unit="mean z",
                foreign=stored.signatures["unlike_training_tissue"].to_numpy(bool),
            ),
            key=f"signature-{run.id}",
            config=CHART_CONFIG,
            alt=f"Map of the signature {name} over {run_text(run)}",
        )
    with right:
        scores = stored.signatures[scored].to_numpy(np.float64)
        st.plotly_chart(
            signature_figure(scores, stored.labels(level), scored, names_of(stored, level)),
            key=f"signatures-{run.id}",
            config=CHART_CONFIG,
            alt="Mean score of each signature in each domain",
        )


def _signature_table(rows: pd.DataFrame) -> None:
    columns = {
        "signature": "signature", "n_used": "genes used", "n_genes": "of",
        "share_reliable": "reliable, of those predicted", "held_out_pearson": "held-out r",
        "random_pearson": "random lists", "random_p95": "random lists, 95 %",
        "mean_gene_pearson": "held-out r, mean of its genes", "section_pearson": "r here",
        "section_p_value": "p here", "note": "note",
    }  # fmt: skip
    table = rows[[c for c in columns if c in rows]].rename(columns=columns)
    numbers: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.2f")
        for name in table.columns
        if pd.api.types.is_float_dtype(table[name])
    }
    numbers["reliable, of those predicted"] = st.column_config.NumberColumn(format="percent")
    st.dataframe(table, hide_index=True, height="content", column_config=numbers, alt="Signatures")
    st.caption(
        "Held-out r: predicted against measured score on patients that the model never saw. "
        "Random lists: what as many reliable genes drawn at random reach against the same "
        "measured score; a signature that does not beat them says no more than the tissue as a "
        "whole."
        if "held-out r" in table
        else "The model has no held-out score of these lists: the mean over their genes stands in."
    )


def canvas(run: RunRow) -> Canvas:
    """The slide of a run, to draw on."""
    slide = run.provenance["slide"]
    image = slide_image_url(run.slide_id, 2048) if run.slide_id else None
    return Canvas(slide["width"], slide["height"], slide["mpp"], image)


def centres(stored: Stored) -> np.ndarray:
    """Tile centres (n, 2), level-0 px."""
    return stored.domains[["x_px", "y_px"]].to_numpy(np.float64)


def _number(value: float | None, none: str = "–") -> str:
    return none if value is None else f"{value:.2f}"
