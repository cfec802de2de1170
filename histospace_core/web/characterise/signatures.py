"""View of a characterisation: maps of signatures, and the accuracy of their scores."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.exports.characterisation import StoredCharacterisation
from histospace_core.figures.characterisation import signature_figure
from histospace_core.figures.overlay import overlay
from histospace_core.server.links import run_canvas
from histospace_core.web.characterise.domains import centres, names_of
from histospace_core.web.widgets.parts import CHART_CONFIG, run_text


def signatures_view(run: RunRow, stored: StoredCharacterisation, level: int) -> None:
    """Show the maps of the signatures, and how well their scores are predicted."""
    rows = pd.DataFrame(stored.summary["signatures"])
    scored = [name for name in rows["signature"] if stored.signatures[name].notna().any()]
    _signature_table(rows)
    if not scored:
        st.info(
            "No signature has three genes that can be used; upload your own signatures, or use all "
            "genes."
        )
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        name = st.selectbox("Signature", scored)
        tiles = run.prediction_record.tiles
        st.plotly_chart(
            overlay(
                run_canvas(run),
                centres(stored),
                stored.signatures[name].to_numpy(np.float32),
                tile=tiles.side_level0_px,
                stride=tiles.stride_level0_px,
                label=name,
                unit="mean z",
                out_of_domain=stored.signatures["unlike_training_tissue"].to_numpy(bool),
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
        "mean_gene_pearson": "mean held-out r of its genes", "section_pearson": "r on this section",
        "section_p_value": "p on this section", "note": "note",
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
        "Held-out r: correlation of predicted with measured scores on held-out patients. Random "
        "lists: the same for the same number of reliable genes chosen at random; a signature that "
        "does not score higher shows nothing specific to its genes."
        if "held-out r" in table
        else "The model has no held-out scores for these signatures; use the mean held-out r of "
        "their genes instead."
    )
