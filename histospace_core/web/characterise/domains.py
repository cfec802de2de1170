"""Views of a characterisation: resolution, scores and domains."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.characterise.levels import CLEAR_EFFECT
from histospace_core.exports.characterisation import StoredCharacterisation, with_trust_mark
from histospace_core.figures.characterisation import domain_map
from histospace_core.server.links import run_canvas
from histospace_core.web.widgets.parts import CHART_CONFIG, metric, plain, run_text


def level_picker(stored: StoredCharacterisation, key: str) -> int:
    """Let the user choose the resolution of the domains; return the index of the level."""
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


def headline(stored: StoredCharacterisation, level: int) -> None:
    """Show the tiles and genes that were used, warnings, and the level's scores with controls."""
    summary, facts = stored.summary, stored.summary["levels"][level]
    st.caption(
        f"{summary['n_tiles']:,} tiles · {summary['n_genes_used']:,} of {summary['n_genes']:,} "
        f"genes used, {summary['share_reliable']:.0%} are reliable"
    )
    for warning in summary["warnings"]:
        st.warning(plain(warning))
    measured = facts["measured"] or {}
    with st.container(horizontal=True):
        metric(
            "Stability",
            _number(facts["stability"]),
            f"noise: {_number(facts['stability_control'], 'no domains')}",
            help="Adjusted Rand index with the domains found in random subsets of 80 % of the "
            "tiles. The control is the same index for noise of equal variance, which has no "
            "domains.",
        )
        if "ari" in measured:
            metric(
                "Agreement with measured domains",
                f"{measured['ari']:.2f}",
                f"random positions: {measured['ari_shuffled_mean']:.2f}",
                help=f"Adjusted Rand index with {measured['n_measured_domains']} domains found in "
                "measured expression. The control is the same map at random positions on the "
                f"tissue (p = {measured['p_value']:.3f}).",
            )
        outside = summary["share_outside_training_tissue"]
        st.metric("Tiles unlike the training tissue", f"{outside:.0%}", width="content")
    if measured.get("note"):
        st.info(plain(measured["note"]))


def names_of(stored: StoredCharacterisation, level: int) -> list[str]:
    """Return the names of a level's domains, with a mark on those with low trust."""
    return [
        with_trust_mark(f["domain"], f["trust"]) for f in stored.summary["levels"][level]["domains"]
    ]


def domains_view(run: RunRow, stored: StoredCharacterisation, level: int) -> None:
    """Draw the domains over the slide, with a table of their size, confidence and markers."""
    facts = stored.summary["levels"][level]
    figure, table = st.columns([3, 2], gap="medium")
    with figure:
        tiles = run.prediction_record.tiles
        opacity = st.slider("Opacity of the map", 0.0, 1.0, 0.75, 0.05)
        names = names_of(stored, level)
        st.plotly_chart(
            domain_map(
                run_canvas(run),
                centres(stored),
                stored.labels(level),
                names,
                tile=tiles.side_level0_px,
                stride=tiles.stride_level0_px,
                out_of_domain=stored.domains["unlike_training_tissue"].to_numpy(bool),
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
                "confidence": rows["confidence"].round(2),
                "clear markers": rows["n_clear_markers"],
                "top markers": rows["top_markers"].map(lambda genes: ", ".join(genes[:3])),
            }
        )
        st.dataframe(
            shown,
            hide_index=True,
            height="content",
            column_config={"confidence": st.column_config.NumberColumn(format="percent")},
            alt="Size, confidence and markers of each domain",
        )
        st.caption(
            "A domain is named after the signature with the largest difference; the name is only a "
            "suggestion. Confidence: how often a tile is assigned to the same domain when other "
            "tiles are left out. ⚠ marks low trust. A clear marker is higher in the domain by at "
            f"least {CLEAR_EFFECT:g} standard deviations."
        )
        for name, trust in zip(names, rows["trust"], strict=True):
            if trust:
                st.caption(plain(f"{name}: {trust}."))
        _effects(facts["measured"])


def _effects(measured: dict[str, Any] | None) -> None:
    """Show for which domains the measurement confirms the markers."""
    if not measured or "effects" not in measured:
        return
    st.markdown("**Does the measurement confirm the markers?**")
    rows = pd.DataFrame(measured["effects"])
    st.dataframe(
        rows[["region", "n_spots", "pearson", "pearson_shuffled_p95", "p_value"]],
        hide_index=True,
        height="content",
        column_config={
            "region": "domain",
            "n_spots": "spots",
            "pearson": st.column_config.NumberColumn("r over genes", format="%.2f"),
            "pearson_shuffled_p95": st.column_config.NumberColumn("control, 95 %", format="%.2f"),
            "p_value": st.column_config.NumberColumn("p", format="%.3f"),
        },
        alt="Correlation over genes of predicted with measured differences, for each domain",
    )
    st.caption(
        "Correlation over genes of the predicted effect with the measured difference. Control: the "
        "95th percentile for the same domain at random positions on the tissue."
    )


def centres(stored: StoredCharacterisation) -> np.ndarray:
    """Return the tile centres (n, 2), level-0 px."""
    return stored.domains[["x_px", "y_px"]].to_numpy(np.float64)


def _number(value: float | None, missing: str = "–") -> str:
    return missing if value is None else f"{value:.2f}"
