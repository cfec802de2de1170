"""Choice of a signature for the gene map, and its held-out score."""

from pathlib import Path

import streamlit as st

from histospace_core.characterise.signature_map import held_out_skill
from histospace_core.characterise.signatures import Signature
from histospace_core.inference import Prediction
from histospace_core.server.context import get_context
from histospace_core.server.signature_lists import run_signature, run_signatures
from histospace_core.web.widgets.parts import metric, plain

PARAMETER = "signature"
"""URL parameter for the key of the signature."""


def signature_picker(run_id: str, run_dir: Path) -> tuple[str | None, str]:
    """Let the user choose a signature to show beside the genes.

    Returns
    -------
    tuple of (str or None, str)
        Key of the signature, or None; and the reason why it cannot be shown, "" if it can.
    """
    signatures = run_signatures(run_dir)
    state = f"signature-{run_id}"
    current = st.session_state.get(state, st.query_params.get(PARAMETER))
    missing = current is not None and current not in signatures
    st.session_state[state] = None if missing else current  # Streamlit refuses other values
    chosen = st.selectbox(
        "Signature: the mean z-score of a list's reliable genes",
        [None, *signatures],
        key=state,
        format_func=lambda key: _label(signatures[key]) if key else "none",
    )
    if chosen is None:
        st.query_params.pop(PARAMETER, None)
        text = "The signature in this link no longer exists; upload its list again."
        return None, text if missing else ""
    st.query_params[PARAMETER] = chosen
    found = get_context().tiles.signature(run_id, chosen)
    if not found.scored:
        return None, f"Signature {signatures[chosen].name}: {found.facts['note']}."
    return chosen, ""


def _label(signature: Signature) -> str:
    return f"{signature.name}: {len(signature.genes)} genes"


def show_signature_score(run_id: str, prediction: Prediction, key: str) -> None:
    """Show which genes a signature's map is based on, and its held-out score."""
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
                help="Correlation of predicted with measured scores on held-out patients. Random "
                "lists: the same for the same number of reliable genes chosen at random.",
            )
        metric(
            "Genes used",
            f"{facts['n_used']} of {facts['n_genes']}",
            f"{facts['n_known']} predicted",
            help="Only reliable genes are used.",
        )
    if skill is None:
        st.warning(
            "The model package has no held-out score for this list, so the accuracy of its map is "
            f"unknown. The mean held-out r of its genes is {facts['mean_gene_pearson']:.2f} (mean "
            "profile: 0)."
        )
    elif skill["held_out_pearson"] <= skill["random_p95"]:
        st.warning(
            "This signature scores no better than random lists of genes, so its map shows nothing "
            "specific to its genes."
        )
    if facts["note"]:
        st.caption(plain(f"The score is {facts['note']}."))
    st.caption(
        "The score is a mean z-score: it compares tiles of this section and is not an amount. "
        f"Source: {plain(signature.source or 'not stated')}."
    )
