"""The score of a gene, as new and as older models state it."""

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    import pandas as pd
    import streamlit as st

    from histospace_core.web.widgets.gene_score import show_gene_score

    scores = {
        "held_out_pearson": 0.3,
        "ci_low": 0.2,
        "ci_high": 0.4,
        "mse_ratio_to_mean": 0.9,
        "reliable": True,
        **st.session_state["facts"],
    }
    show_gene_score(pd.Series(scores, name="ERBB2"))


def shown(**facts: float) -> dict[str, tuple[str, str]]:
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["facts"] = facts
    app.run()
    assert not app.exception
    return {metric.label: (metric.value, metric.help) for metric in app.metric}


@pytest.mark.parametrize(
    ("facts", "text", "given_depth"),
    [
        ({"share_of_noise_ceiling": 0.25, "share_of_noise_ceiling_low": 0.5}, "25%-50%", True),
        ({"share_of_noise_ceiling": -0.1, "share_of_noise_ceiling_low": -0.2}, "0%", True),
        ({"share_of_noise_ceiling": 0.6, "share_of_noise_ceiling_low": float("nan")}, "60%", False),
        ({"share_of_noise_ceiling": 0.6}, "60%", False),
    ],
)
def test_the_share_of_the_ceiling_has_two_ends_unless_the_model_is_old(
    facts: dict[str, float], text: str, given_depth: bool
) -> None:
    value, why = shown(**facts)["Share of the ceiling"]
    assert value == text
    assert ("given the depth" in why) == given_depth


def test_a_model_that_states_no_share_shows_none() -> None:
    assert set(shown()) == {"Held-out r", "Error ratio"}
