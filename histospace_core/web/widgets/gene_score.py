"""The held-out scores of one gene."""

import numpy as np
import pandas as pd
import streamlit as st

from histospace_core.evaluation.noise import SHARE_COLUMNS, share_text
from histospace_core.web.widgets.parts import metric, plain


def show_gene_score(score: pd.Series, in_domain: bool = True) -> None:
    """Show how well the model predicts this gene on held-out sections.

    Parameters
    ----------
    score
        The gene's row of the model's table.
    in_domain
        False where the slide is unlike the training tissue.
    """
    st.markdown(f"**{plain(score.name)}** on held-out sections")
    if pd.isna(score.held_out_pearson):
        st.warning("This gene has no held-out score: the accuracy of its map is unknown.")
        return
    interval = f"mean profile: 0; 95 % interval {score.ci_low:.2f} to {score.ci_high:.2f}"
    ratio = score.mse_ratio_to_mean
    with st.container(horizontal=True):
        metric(
            "Held-out r",
            f"{score.held_out_pearson:.2f}",
            interval,
            help="Correlation of predicted with measured expression over the spots of held-out "
            "sections.",
        )
        metric(
            "Error ratio",
            f"{ratio:.2f}",
            "mean profile: 1",
            help="Mean squared error on held-out sections, divided by that of the mean profile, "
            "which uses no image.",
        )
        _ceiling(score)
    if ratio < 1 and not in_domain:
        st.markdown(
            "Beats the mean profile on held-out sections, but this slide is unlike the training "
            "tissue: accuracy on this slide is unknown."
        )
    elif ratio < 1:
        st.markdown(":material/check_circle: Beats the mean profile on held-out sections.")
    else:
        st.markdown(":material/cancel: **Does not beat the mean profile** on held-out sections.")
    if not score.reliable:
        st.warning(
            "Unreliable: do not draw biological conclusions from this map.",
            icon=":material/warning:",
        )


def _ceiling(score: pd.Series) -> None:
    """Show the share of the noise ceiling, where the model states them."""
    shares = [score.get(column, np.nan) for column in SHARE_COLUMNS]
    if pd.notna(shares[0]):
        given = "" if pd.isna(shares[1]) else " given the depth of the spots"
        metric(
            "Share of the ceiling",
            share_text(shares),
            "mean profile: 0 %",
            help=f"Held-out r{given} as a share of the noise ceiling, the highest r that the noise "
            "of the counts allows. A range where the noise is known within bounds only.",
        )
