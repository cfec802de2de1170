"""Gene lists that the user pastes or uploads, to show side by side or as one signature."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from histospace_core.characterise.gene_lists import read_gene_lists, to_gmt
from histospace_core.characterise.signatures import FEWEST_GENES, Signature
from histospace_core.errors import MeasurementError
from histospace_core.expression.search import GeneFinder, GeneMatches
from histospace_core.server.signature_lists import save_signatures, signature_key
from histospace_core.web.gene_map.viewer import MOST_GENES
from histospace_core.web.widgets.parts import plain


def gene_lists(run_id: str, run_dir: Path, finder: GeneFinder) -> None:
    """Let the user paste or upload a gene list and show it."""
    st.text_area(
        "Paste genes: symbols, aliases or Ensembl ids",
        key=f"paste-{run_id}",
        height=100,
        placeholder="ERBB2, HER2, ENSG00000141736 …",
    )
    chosen = _uploaded(run_id)
    found = _found(run_id, finder, chosen)
    with st.container(horizontal=True):
        if st.button(
            "Show side by side",
            disabled=not found.genes,
            on_click=_show,
            args=(run_id, finder, chosen),
        ):
            st.toast(f"Shown: {', '.join(found.genes[:MOST_GENES])}")
        st.button(
            "Show as one signature",
            disabled=len(found.genes) < FEWEST_GENES,
            on_click=_show_signature,
            args=(run_id, run_dir, finder, chosen),
            help="Shows the mean z-score of the list's reliable genes as a map.",
        )
    if chosen or st.session_state[f"paste-{run_id}"].strip():
        st.caption("  \n".join(sentences(found)))


def _uploaded(run_id: str) -> Signature | None:
    """Return the list that the user chose from an uploaded file, if any."""
    file = st.file_uploader(
        "Or upload a list: text, CSV or GMT",
        type=["txt", "csv", "gmt"],
        max_upload_size=1,
        key=f"list-{run_id}",
    )
    if file is None:
        return None
    try:
        lists = read_gene_lists(file.name, file.getvalue())
    except MeasurementError as error:
        st.error(plain(error))
        return None
    if len(lists) == 1:
        return lists[0]
    return st.selectbox(
        f"Choose one of {len(lists)} lists",
        lists,
        format_func=lambda one: f"{one.name}: {len(one.genes)} genes",
        key=f"which-list-{run_id}",
    )


def sentences(found: GeneMatches) -> list[str]:
    """Describe a search for genes: how many were found, what was renamed, what was left out."""
    lines = [f"{len(found.genes):,} found."]
    if len(found.genes) > MOST_GENES:
        lines.append(f"Side by side, only the first {MOST_GENES} are shown.")
    if found.renamed:
        pairs = [f"{plain(old)} is {plain(new)}" for old, new in list(found.renamed.items())[:6]]
        lines.append("; ".join(pairs) + ".")
    left_out = []
    if found.absent:
        left_out.append(f"not predicted by this model: {_some(found.absent)}")
    if found.unknown:
        left_out.append(f"no gene has this name: {_some(found.unknown)}")
    if found.ambiguous:
        names = [f"{name} ({' or '.join(genes)})" for name, genes in found.ambiguous.items()]
        left_out.append(f"more than one gene has this name: {_some(names)}")
    if left_out:
        lines.append(f"Left out: {'; '.join(left_out)}.")
    return lines


def _some(names: Sequence[str], most: int = 8) -> str:
    listed = ", ".join(plain(name[:40]) for name in names[:most])
    return listed + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _found(run_id: str, finder: GeneFinder, chosen: Signature | None) -> GeneMatches:
    """Return the genes of the uploaded list, or else of the current text in the paste field."""
    if chosen:
        return finder.find_names(chosen.genes)
    return finder.find(st.session_state[f"paste-{run_id}"])


def _show(run_id: str, finder: GeneFinder, chosen: Signature | None) -> None:
    genes = _found(run_id, finder, chosen).genes
    if genes:
        st.session_state[f"gene-{run_id}"] = genes[0]
        st.session_state[f"beside-{run_id}"] = list(genes[1:MOST_GENES])


def _show_signature(
    run_id: str, run_dir: Path, finder: GeneFinder, chosen: Signature | None
) -> None:
    names = _found(run_id, finder, chosen).names
    if len(names) >= FEWEST_GENES:
        name = chosen.name if chosen else "pasted list"
        signature = Signature(name, "list of the user", names)
        file = save_signatures(run_dir, to_gmt([signature]))
        st.session_state[f"signature-{run_id}"] = signature_key(file, signature)
