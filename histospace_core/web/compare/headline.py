"""The scores of a comparison: the map's and those at the spots, beside the mean profile's."""

from typing import Any

import streamlit as st

from histospace_core.comparison.compare import Comparison
from histospace_core.comparison.interval import coverage_sentence
from histospace_core.evaluation.noise import range_text
from histospace_core.web.widgets.parts import metric, plain


def headline(comparison: Comparison) -> None:
    """Show each score beside that of the mean profile, which uses no image."""
    s = comparison.summary
    st.caption(plain(f"{s['alignment']['message']} {s['genes']}"))
    for warning in (s["training_warning"], s["domain_warning"]):
        if warning:
            st.warning(plain(warning))
    at_spots = s.get("at_spots")
    if at_spots:
        st.markdown(f"**Map**: {s['label']}")
    _scores(s, facts=True)
    if at_spots:
        st.markdown(f"**At the spots**: {at_spots['label']}")
        _scores(at_spots, facts=False)
    else:
        st.caption(
            "Only the map is scored. Where the slide and the model of the prediction are still "
            "here, a comparison also predicts a tile centred on each spot."
        )
    share = s["share_of_genes_beating_mean"]
    if share is None:
        return
    if s.get("interval"):
        st.markdown(plain(coverage_sentence(s["interval"])))
    verdict = "beats" if s["mse_ratio_to_mean"] < 1 else "**does not beat**"
    st.markdown(
        f"Over all genes, the {'map' if at_spots else 'prediction'} {verdict} the mean profile. "
        f"Its error is smaller for {share:.0%} of the genes."
    )


def _scores(s: dict[str, Any], *, facts: bool) -> None:
    """Show scores, with or without the facts that both predictions share."""
    scores = (
        ("Mean per-gene r", s["per_gene_pearson"], 0.0, "Correlation of a gene's predicted with "
         "its measured expression over the spots, averaged over the genes that vary. The mean "
         "profile is flat and scores 0."),
        ("Error ratio", s["mse_ratio_to_mean"], 1.0, "Mean squared error divided by that of "
         "the mean profile. Below 1 is better than the mean profile."),
        ("Per-spot r", s["per_spot_pearson"], s["mean_profile_per_spot_pearson"], "Correlation "
         "across genes within a spot. It is high even without an image, because some genes are "
         "always highly expressed: read it only beside the mean profile's."),
    )  # fmt: skip
    given_depth = s.get("per_gene_pearson_given_depth")  # absent from older comparisons
    with st.container(horizontal=True):
        for label, value, baseline, why in scores:
            metric(
                label,
                "not evaluable" if value is None else f"{value:.3f}",
                None if baseline is None else f"mean profile: {round(baseline, 3):g}",
                help=why,
            )
        if given_depth is not None:
            metric(
                "r given the depth",
                f"{given_depth:.3f}",
                "mean profile: 0",
                help="Mean per-gene r after the number of molecules per spot is regressed out. "
                "Depth alone makes genes vary alike, and a prediction that follows it has a high r "
                "without telling genes apart.",
            )
        if not facts:
            return
        if s.get("noise_ceiling") is not None:
            metric(
                "Noise ceiling",
                range_text(s["noise_ceiling"], s.get("noise_ceiling_low")),
                "highest possible r" + ("" if given_depth is None else " given the depth"),
                help="The highest mean per-gene r that the noise of the measured counts allows: "
                "from all noise beyond Poisson, as adjacent spots show it, to Poisson noise alone.",
            )
        st.metric("Spots", f"{s['n_spots']:,}", width="content")
        st.metric("Genes scored", f"{s['n_genes_scored']:,}", width="content")
