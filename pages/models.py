"""Models: what each was trained on, how it does, gene by gene."""

import streamlit as st

from histospace_core.catalog import ModelRow
from histospace_core.exports import file_name, genes_csv
from histospace_core.networks import load_package
from histospace_core.web import get_context
from histospace_core.web.parts import guarded, model_card, plain


@guarded
def models() -> None:
    """List the model packages."""
    st.title("Models")
    rows = get_context().catalog.models()
    if not rows:
        st.info("No model is here yet; just after the start they take a moment to be found.")
    for row in rows:
        with st.container(border=True):
            st.markdown(f"##### {plain(row.name)}", anchors=False)
            model_card(row)
            if st.toggle("Genes and model card", key=f"more-{row.name}"):
                _details(row)


def _details(row: ModelRow) -> None:
    package = load_package(row.folder)
    st.dataframe(package.genes, hide_index=True, height=280)
    st.download_button(
        "Scores of all genes as CSV",
        genes_csv(package.genes),
        file_name("gene-scores", row.name),
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        key=f"csv-{row.name}",
    )
    st.code(package.card, language="markdown", wrap_lines=True)


models()
