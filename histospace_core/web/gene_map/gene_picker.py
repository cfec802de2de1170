"""Choice of genes by any name, from a list and in a chosen order, synced to the URL."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from histospace_core.expression.search import GeneFinder
from histospace_core.figures.colours import INKS
from histospace_core.inference import Prediction
from histospace_core.inference.spatial_structure import spatial_structure
from histospace_core.server.context import get_context
from histospace_core.web.gene_map.gene_box import gene_box
from histospace_core.web.gene_map.gene_lists import gene_lists, sentences
from histospace_core.web.gene_map.signature_picker import signature_picker
from histospace_core.web.gene_map.viewer import MOST_GENES
from histospace_core.web.widgets.parts import initial_index, plain, remember_choice

BESIDE = "with"
"""URL parameter for the genes that are shown beside the first one."""
RELIABILITY, INTEREST, NAME = "reliability", "spatial interest", "name"
MIX = "mix"
"""URL parameter for whether genes are blended."""
MOST_MIXED = max(INKS)
_SHOWN_NAMES = 4
_SHOWN_RECENT = 6


@dataclass(frozen=True)
class GeneChoice:
    """The maps to show: the main gene, other genes beside it, and a signature."""

    gene: str
    beside: tuple[str, ...]
    mixed: int = 0
    """Number of genes, from the first, that are blended into one image."""
    signature: str | None = None
    """Key of the signature to show with them."""

    @property
    def panels(self) -> int:
        """Number of panels."""
        genes = 1 + len(self.beside) - max(self.mixed - 1, 0)
        return min(genes + (self.signature is not None), MOST_GENES)


class _Panel:
    """The genes of a model with labels and orders, computed once per model and then cached."""

    def __init__(self, var: pd.DataFrame) -> None:
        ids = var["gene_id"].fillna("").astype(str) if "gene_id" in var else [""] * len(var)
        self.finder = GeneFinder(list(var.index), list(ids))
        self.by_reliability, self.by_name = ranked(var, RELIABILITY), ranked(var, NAME)
        self.unreliable = set(var.index[~var["reliable"].astype(bool)])
        scores = ("no score" if pd.isna(r) else f"r {r:.2f}" for r in var["held_out_pearson"])
        self.scores = dict(zip(var.index, scores, strict=True))
        self.labels = {
            gene: self._label(gene, gene_id) for gene, gene_id in zip(var.index, ids, strict=True)
        }

    def _label(self, gene: str, gene_id: str) -> str:
        """Return a gene with its score and the names by which it can be found."""
        names = sorted(self.finder.other_names(gene), key=len)[:_SHOWN_NAMES]
        parts = [f"{gene}   {self.scores[gene]}", *names]
        tail = "unreliable" if gene in self.unreliable else ""
        return " · ".join(part for part in (*parts, gene_id, tail) if part)


# Streamlit does not hash `_var`: the SHA-256 stands for it in the cache key.
@st.cache_resource(max_entries=8, show_spinner=False)
def _panel(model_sha256: str, _var: pd.DataFrame) -> _Panel:
    return _Panel(_var)


@st.cache_data(max_entries=32, show_spinner="Computing Moran's I of every gene…")
def _by_interest(run_id: str) -> list[str]:
    prediction = get_context().tiles.open_run(run_id).prediction
    return ranked(prediction.var, INTEREST, spatial_structure(prediction))


def ranked(var: pd.DataFrame, order: str, interest: pd.Series | None = None) -> list[str]:
    """Return the genes sorted by reliability, by spatial interest or by name."""
    if order == NAME:
        return sorted(var.index)
    if order == INTEREST and interest is not None:
        return list(interest.sort_values(ascending=False, na_position="last").index)
    by = ["reliable", "held_out_pearson"]
    return list(var.sort_values(by, ascending=False, na_position="last").index)


def gene_finder(prediction: Prediction) -> GeneFinder:
    """Return the finder for genes of a run's model, by any of their names."""
    return _panel(prediction.record.model.sha256, prediction.var).finder


def gene_picker(run_id: str, prediction: Prediction) -> GeneChoice:
    """Let the user choose a gene and up to five others to show beside it."""
    panel = _panel(prediction.record.model.sha256, prediction.var)
    first, beside = f"gene-{run_id}", f"beside-{run_id}"
    _begin(run_id, panel.by_reliability)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one, more = st.container(width=440), st.container(width=440)  # on narrow screens they wrap
        with st.popover("Lists, signatures, order", icon=":material/tune:"):
            gene_lists(run_id, prediction.run_dir, panel.finder)
            signature, problem = signature_picker(run_id, prediction.run_dir)
            genes = _ordered(run_id, panel)
    # The genes on the map remain options even when unreliable genes are hidden.
    options = set(genes)
    shown = (st.session_state[first], *st.session_state[beside])
    genes = [*genes, *(gene for gene in shown if gene not in options)]
    with one:
        gene = gene_box(
            run_id,
            genes,
            panel.labels,
            f"Gene, of {len(panel.labels):,}: type a symbol, an alias or an Ensembl id",
            key=first,
        )
    with more:
        others = _more_genes(beside, genes, panel)
    if problem:
        st.info(plain(problem))
    remember_choice("gene", gene)
    beside_it = tuple(other for other in others if other != gene)
    with st.container(horizontal=True, vertical_alignment="center"):
        mixed = _mixed(run_id, 1 + len(beside_it))
        _recent(run_id, gene, beside_it, panel)
    st.session_state[f"last-{BESIDE}-{run_id}"] = beside_it
    if beside_it:
        st.query_params[BESIDE] = ",".join(beside_it)
    elif BESIDE in st.query_params:
        del st.query_params[BESIDE]
    return GeneChoice(gene, beside_it, mixed, signature)


def _more_genes(key: str, genes: Sequence[str], panel: _Panel) -> list[str]:
    """Let the user choose more genes; typed aliases and ids become the model's gene names."""
    left_out = f"{key}-left-out"

    def translate() -> None:
        found = panel.finder.find_names(st.session_state[key])
        st.session_state[key] = list(found.genes)
        if len(found.names) > len(found.genes):
            st.session_state[left_out] = sentences(found)[1:]

    others = st.multiselect(
        f"More genes beside it: up to {MOST_GENES - 1}, by any name",
        genes,
        key=key,
        max_selections=MOST_GENES - 1,
        placeholder="none",
        select_all=False,
        accept_new_options=True,
        filter_mode="prefix",  # so that an alias is added as typed, not replaced by a fuzzy match
        on_change=translate,
        format_func=lambda gene: " · ".join(filter(None, (gene, panel.scores.get(gene)))),
    )
    for sentence in st.session_state.pop(left_out, ()):
        st.warning(sentence)
    return others


def _mixed(run_id: str, n_genes: int) -> int:
    """Let the user blend two or three genes into one image; return how many, 0 for none."""
    if n_genes < 2:
        return 0
    key, most = f"mix-{run_id}", min(n_genes, MOST_MIXED)
    if key not in st.session_state:
        st.session_state[key] = st.query_params.get(MIX) == "on"
    what = "Blend the two genes" if n_genes == 2 else f"Blend the first {most} genes"
    if st.toggle(f"{what} into one picture", key=key):
        st.query_params[MIX] = "on"
        return most
    st.query_params.pop(MIX, None)
    return 0


def _recent(run_id: str, gene: str, beside: Sequence[str], panel: _Panel) -> None:
    """Show a button for each gene that was viewed recently, in any run of this session."""
    recent: list[str] = st.session_state.setdefault("recent-genes", [])
    last = [one for one in recent if one in panel.labels and one not in (gene, *beside)]
    if last:
        st.caption("Recently used:", width="content")
    for one in last[:_SHOWN_RECENT]:
        st.button(
            one, type="tertiary", key=f"recent-{one}-{run_id}", on_click=_choose, args=(run_id, one)
        )
    st.session_state["recent-genes"] = list(dict.fromkeys([gene, *recent]))[: 2 * _SHOWN_RECENT]


def _choose(run_id: str, gene: str) -> None:
    st.session_state[f"gene-{run_id}"] = gene


def _begin(run_id: str, genes: Sequence[str]) -> None:
    """Set the first choice of a session: the genes in the URL, or the last ones, or the best."""
    from_url = st.query_params.get("gene")
    if from_url and from_url not in genes:
        st.warning(f"This run has no gene {plain(from_url)}; another gene is shown.")
    # A gene other than the last one means that the user followed a link: it replaces the choice.
    if from_url in genes and from_url != st.session_state.get("last-gene"):
        for key in (f"gene-{run_id}", f"beside-{run_id}", f"last-{BESIDE}-{run_id}"):
            st.session_state.pop(key, None)
    if f"gene-{run_id}" not in st.session_state:
        st.session_state[f"gene-{run_id}"] = genes[initial_index("gene", genes)]
    # Streamlit drops the state of a field when the user leaves its page: restore it.
    if f"beside-{run_id}" not in st.session_state:
        last = st.session_state.get(f"last-{BESIDE}-{run_id}", ())
        named = st.query_params[BESIDE].split(",") if BESIDE in st.query_params else last
        known = [gene for gene in dict.fromkeys(named) if gene in genes]
        st.session_state[f"beside-{run_id}"] = known[: MOST_GENES - 1]


def _ordered(run_id: str, panel: _Panel) -> list[str]:
    order = st.segmented_control(
        "Order",
        [RELIABILITY, INTEREST, NAME],
        default=RELIABILITY,
        required=True,
        key=f"order-{run_id}",
        help="Spatial interest is Moran's I of the predicted map, which is high if neighbouring "
        "tiles have similar values. It is not a measure of accuracy.",
    )
    hide = st.toggle(f"Hide the {len(panel.unreliable):,} unreliable genes", key=f"hide-{run_id}")
    if order == INTEREST:
        genes = _by_interest(run_id)
    else:
        genes = panel.by_name if order == NAME else panel.by_reliability
    return [gene for gene in genes if gene not in panel.unreliable] if hide else genes
