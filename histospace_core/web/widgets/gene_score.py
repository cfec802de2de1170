"""How far one gene's map can be trusted, in the words and numbers of the gene map."""

import pandas as pd
import streamlit as st

from histospace_core.web.widgets.parts import metric, plain


def show_gene_score(score: pd.Series, in_domain: bool = True) -> None:
    """Say how well this gene was predicted on patients that the model had not seen.

    Parameters
    ----------
    score
        The gene's row of the model's table.
    in_domain
        False where the slide is unlike what the model was trained on.
    """
    st.markdown(f"**{plain(score.name)}** on sections that the model did not train on")
    if pd.isna(score.held_out_pearson):
        st.warning("This gene has no held-out score: how far its map can be trusted is not known.")
        return
    interval = f"mean profile: 0; 95 % interval {score.ci_low:.2f} to {score.ci_high:.2f}"
    ratio = score.mse_ratio_to_mean
    with st.container(horizontal=True):
        metric(
            "Held-out r",
            f"{score.held_out_pearson:.2f}",
            interval,
            help="Correlation of predicted with measured expression over the spots of sections "
            "that the model did not train on.",
        )
        metric(
            "Error ratio",
            f"{ratio:.2f}",
            "mean profile: 1",
            help="Squared error on held-out sections, divided by that of predicting the training "
            "mean everywhere, without looking at the slide.",
        )
        _ceiling_and_interval(score)
    if ratio < 1 and not in_domain:
        st.markdown(
            "It beats the mean profile there; this slide is unlike them, and how it does here is "
            "not known."
        )
    elif ratio < 1:
        st.markdown(":material/check_circle: Beats the mean profile on held-out sections.")
    else:
        st.markdown(":material/cancel: **Does not beat the mean profile** on held-out sections.")
    if not score.reliable:
        st.warning("Unreliable: do not read biology into this map.", icon=":material/warning:")


def _ceiling_and_interval(score: pd.Series) -> None:
    """Show the share of the noise ceiling and the interval, where the model states them."""
    if pd.notna(score.get("share_of_noise_ceiling")):
        metric(
            "Of the ceiling",
            f"{max(score.share_of_noise_ceiling, 0):.0%}",
            "mean profile: 0 %",
            help="Held-out correlation as a share of the highest that the noise of the counts "
            "allows: two measurements of the same spots would not agree better than the ceiling.",
        )
    if pd.notna(score.get("interval_half_width")):
        metric(
            "90 % interval",
            f"± {score.interval_half_width:.2f}",
            None,
            help="Around every predicted value, in the unit of the map; meant to hold nine in ten "
            "measured values. The model card says how many it held on sections left out: with few "
            "training patients, far fewer on some.",
        )
