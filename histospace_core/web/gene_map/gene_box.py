"""The field that a gene is chosen in: the deep-zoom viewer is told without a script."""

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
        What can be chosen, in this order.
    labels : mapping of str to str
        Each gene with all that it may be found by.
    label : str
        What is written over the field.
    key : str
        Where the session keeps the gene; what is there at first is shown.

    Returns
    -------
    str
        The gene.
    """
    box = f"{key}-box"

    def take_over() -> None:
        gene = (st.session_state.get(box) or {}).get("gene")
        if gene in labels:
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
        on_gene_change=take_over,
    )
    return gene
