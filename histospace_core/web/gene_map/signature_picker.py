"""Choosing a signature for the gene map, and how far to trust it."""

from pathlib import Path

import streamlit as st

from histospace_core.characterise.signature_map import held_out_skill
from histospace_core.characterise.signatures import Signature
from histospace_core.inference import Prediction
from histospace_core.server.context import get_context
from histospace_core.server.signature_lists import run_signature, run_signatures
from histospace_core.web.widgets.parts import metric, plain

PARAMETER = "signature"
"""Of the address."""


def signature_picker(run_id: str, run_dir: Path) -> tuple[str | None, str]:
    """Let the user choose a signature to show beside the genes.

    Returns
    -------
    tuple of (str or None, str)
        Its key, None for none; and why what was asked for cannot be shown, "" if it can.
    """
    known = run_signatures(run_dir)
    state = f"signature-{run_id}"
    wanted = st.session_state.get(state, st.query_params.get(PARAMETER))
    lost = wanted is not None and wanted not in known
    st.session_state[state] = None if lost else wanted
    picked = st.selectbox(
        "Signature: the mean z-score of a list's reliable genes",
        [None, *known],
        key=state,
        format_func=lambda key: _words(known[key]) if key else "none",
    )
    if picked is None:
        st.query_params.pop(PARAMETER, None)
        text = "The signature of this link is not there any more; upload its list again."
        return None, text if lost else ""
    st.query_params[PARAMETER] = picked
    found = get_context().tiles.signature(run_id, picked)
    if not found.scored:
        return None, f"Signature {known[picked].name}: {found.facts['note']}."
    return picked, ""


def _words(signature: Signature) -> str:
    return f"{signature.name}: {len(signature.genes)} genes"


def signature_trust(run_id: str, prediction: Prediction, key: str) -> None:
    """Say of a signature's map what it rests on, and how well such a score was predicted."""
    signature = run_signature(prediction.run_dir, key)
    facts = get_context().tiles.signature(run_id, key).facts
    skill = held_out_skill(prediction, signature)
    st.subheader(f"Signature {signature.name}", anchor=False)
    with st.container(horizontal=True):
        if skill is not None:
            metric(
                "Held-out r",
                f"{skill['held_out_pearson']:.2f}",
                f"random lists: {skill['random_pearson']:.2f}",
                help="Predicted against measured score on patients that the model never saw. "
                "Random lists: what as many reliable genes drawn at random reach against the same "
                "measured score.",
            )
        metric(
            "Genes used",
            f"{facts['n_used']} of {facts['n_genes']}",
            f"{facts['n_known']} predicted",
            help="Only genes that pass the reliability rule count.",
        )
    if skill is None:
        st.warning(
            "The model's package has no held-out score of this list: how far its map can be "
            f"trusted is not known. Its genes' own held-out r is {facts['mean_gene_pearson']:.2f} "
            "in the mean (mean profile: 0)."
        )
    elif skill["held_out_pearson"] <= skill["random_p95"]:
        st.warning("No better than random lists: it says no more than the tissue as a whole.")
    if facts["note"]:
        st.caption(plain(f"It {facts['note']}."))
    st.caption(
        "Mean z-score over the tiles of this section: it compares places of one section, and is no "
        f"amount. Source: {plain(signature.source or 'not stated')}."
    )
