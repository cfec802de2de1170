"""All genes of a comparison: the distribution of their scores, and a table."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.comparison.compare import Comparison
from histospace_core.comparison.given_depth import COLUMNS as GIVEN_DEPTH
from histospace_core.figures.scores import ceiling_spread
from histospace_core.web.widgets.parts import CHART_CONFIG, plain

ALL, SCORED, BEATS = "all genes", "scored genes", "genes with less error than the mean profile"
SIGNIFICANT, UNSCORED = "genes with q below 0.05", "genes that cannot be scored"
KINDS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    ALL: lambda table: pd.Series(True, table.index),
    SCORED: lambda table: table["pearson"].notna(),
    BEATS: lambda table: table["mse_ratio_to_mean"] < 1,
    SIGNIFICANT: lambda table: table["q_value"] < 0.05,
    UNSCORED: lambda table: table["pearson"].isna(),
}
_COLUMNS = {
    "gene": "gene", "pearson": "r", "pearson_given_depth": "r given the depth",
    "noise_ceiling_low": "noise ceiling from", "noise_ceiling": "noise ceiling to",
    "mse_ratio_to_mean": "error ratio (mean profile: 1)", "pearson_at_spots": "r at the spots",
    "mse_ratio_at_spots": "error ratio at the spots", "held_out_pearson": "held-out r",
    "reliable": "reliable", "spearman": "Spearman", "rmse": "RMSE", "p_value": "p", "q_value": "q",
    "n_spots": "spots", "note": "note",
}  # fmt: skip


def gene_table(comparison: Comparison, reliable: pd.Series) -> pd.DataFrame:
    """Return the scores of a comparison, with the reliability of each gene.

    Older comparisons have the noise ceiling in `spots.var` only, one number, or not at all.

    Parameters
    ----------
    comparison : Comparison
    reliable : Series of bool
        Whether each gene of the model is reliable; the index is its name.
    """
    table = comparison.genes
    var = comparison.spots.var
    ceilings = {c: table["gene"].map(var[c]) for c in GIVEN_DEPTH if c in var}
    ceilings.setdefault("noise_ceiling", pd.Series(np.nan, table.index))
    return table.assign(
        # so that the score and the ceiling are shown for the same genes
        **{c: values.where(table["pearson"].notna()) for c, values in ceilings.items()},
        reliable=table["gene"].map(reliable).fillna(False).astype(bool),
        note=table["note"].fillna(""),
    )


def filtered(
    table: pd.DataFrame, kind: str = ALL, text: str = "", *, reliable_only: bool = False
) -> pd.DataFrame:
    """Return the genes of a kind whose name contains one of the words of `text`."""
    keep = KINDS[kind](table)
    words = text.upper().replace(",", " ").split()
    if words:
        names = table["gene"].str.upper()
        keep &= pd.concat([names.str.contains(w, regex=False) for w in words], axis=1).any(axis=1)
    if reliable_only:
        keep &= table["reliable"]
    return table[keep]


def reasons(table: pd.DataFrame) -> str:
    """Return a sentence with the reasons why genes have no score; "" if all have one."""
    notes = table.loc[table["pearson"].isna(), "note"].value_counts()
    if notes.empty:
        return ""
    why = "; ".join(f"{n:,} {note.removeprefix('not evaluable: ')}" for note, n in notes.items())
    return f"{notes.sum():,} genes cannot be scored: {why}."


def genes_view(comparison: Comparison, reliable: pd.Series, choose: Callable[[str], None]) -> None:
    """Show the distribution of scores and the table; a selected row sets the gene of the maps."""
    table = gene_table(comparison, reliable)
    st.subheader("All genes", anchor=False)
    if table["pearson"].notna().any():
        st.plotly_chart(
            ceiling_spread(table),
            key=f"spread-{comparison.directory.name}",
            config=CHART_CONFIG,
            alt="Per-gene r on this section, with the mean profile and the noise ceiling",
        )
        st.caption(
            "Noise ceiling: the highest r that the noise of the counts allows, estimated by "
            "splitting the counts into halves; the upper end is drawn. r and ceiling are given the "
            "depth of the spots, where both are known."
        )
    _table(comparison, table, choose)


@st.fragment
def _table(comparison: Comparison, table: pd.DataFrame, choose: Callable[[str], None]) -> None:
    scope = comparison.directory.name
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Find genes", placeholder="ERBB2, KRT", width=240, key=f"find-{scope}")
        kind = st.selectbox("Show", list(KINDS), width=240, key=f"kind-{scope}")
        reliable_only = st.toggle("Only genes reliable on held-out patients", key=f"rel-{scope}")
    rows = filtered(table, kind, text, reliable_only=reliable_only)
    names = list(rows["gene"])
    columns = [c for c in _COLUMNS if c in rows]  # those at the spots may be absent
    numbers = {
        c: st.column_config.NumberColumn(
            _COLUMNS[c], format="%.2g" if c in ("p_value", "q_value") else "%.3f"
        )
        for c in columns
        if pd.api.types.is_float_dtype(rows[c])
    }
    titles = {c: _COLUMNS[c] for c in columns if c not in numbers}
    event = st.dataframe(
        rows[columns],
        column_config={**titles, **numbers},
        hide_index=True,
        height=320,
        key=f"table-{scope}-{kind}-{text}-{reliable_only}",  # other rows clear the selection
        on_select="rerun",
        selection_mode="single-row",
        alt=f"Scores of {len(rows):,} genes",
    )
    sentences = [f"{len(rows):,} of {len(table):,} genes.", reasons(table)]
    sentences.append(f"p by {comparison.summary['p_values']}; q by Benjamini and Hochberg.")
    sentences.append("Click a column title to sort. Select a row to show its gene on the maps.")
    st.caption(plain(" ".join(sentence for sentence in sentences if sentence)))
    chosen = [names[row] for row in event["selection"]["rows"]]
    last = st.session_state.get(f"row-{scope}", [])
    st.session_state[f"row-{scope}"] = chosen
    # Only a change counts: the selection stays in the table when another gene is chosen elsewhere.
    if chosen and chosen != last:
        choose(chosen[0])
