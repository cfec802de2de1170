"""A search field for a gene, whose script passes the choice to the viewer without a rerun."""

from collections.abc import Mapping, Sequence

import streamlit as st

from histospace_core.web.widgets.components import component


def gene_box(
    run_id: str, genes: Sequence[str], labels: Mapping[str, str], label: str, *, key: str
) -> str:
    """Let the user choose a gene of a run.

    Parameters
    ----------
    run_id : str
    genes : sequence of str
        The options, in this order.
    labels : mapping of str to str
        Text of each option; the search looks in the whole text.
    label : str
        Label of the field.
    key : str
        Session state key of the gene; it must already have a value.

    Returns
    -------
    str
        The chosen gene.
    """
    box = f"{key}-box"

    def store_choice() -> None:
        gene = (st.session_state.get(box) or {}).get("gene")
        if gene in labels:  # the browser sent it
            st.session_state[key] = gene

    gene = str(st.session_state[key])
    component("gene_box")(
        key=box,
        data={
            "run": run_id,
            "label": label,
            "gene": gene,
            "genes": [[one, labels[one]] for one in genes],
        },
        on_gene_change=store_choice,
    )
    return gene
