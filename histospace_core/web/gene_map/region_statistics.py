"""Comparison of a region with the rest of the tissue, for one gene and for all genes."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from histospace_core.catalog import RegionRow, RunRow
from histospace_core.characterise.against_rest import AgainstRest, against_rest, require_tiles
from histospace_core.characterise.expected import expected_in_region, expected_signatures
from histospace_core.errors import HistospaceError
from histospace_core.exports.csv import to_csv
from histospace_core.figures.colours import unit_label
from histospace_core.figures.region import MAX_Q, volcano
from histospace_core.inference import OUT_OF_DOMAIN_SCORE, RESEARCH_USE, Prediction, open_prediction
from histospace_core.server.signature_lists import run_signature
from histospace_core.uncertainty import MOST_WRONG, PROMISED
from histospace_core.web.gene_map.regions import tiles_inside
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.parts import CHART_CONFIG, plain

_COLUMNS = {
    "gene": "gene",
    "difference": "difference",
    "ci_low": "from",
    "ci_high": "to",
    "effect_size": "effect, SD",
    "p_value": "p",
    "q_value": "q",
    "naive_p_value": "naive p",
    "held_out_pearson": "held-out r (mean profile 0)",
    "reliable": "reliable",
    "fold_change": "true fold change, expected",
    "fold_low": "at least",
    "fold_high": "at most",
    "wrong_direction": "chance of the wrong direction",
}
_HELP = {
    "naive p": "p if neighbouring tiles were independent, which they are not.",
    "true fold change, expected": "Of true expression inside to outside: what the map "
    "shows, shrunk as far as maps of held-out sections were wrong.",
    "chance of the wrong direction": "That true expression differs in the other direction than "
    "expected.",
}


def region_statistics(
    run: RunRow, prediction: Prediction, row: RegionRow, gene: str, signature: str | None = None
) -> None:
    """Show which genes differ between a region and the rest, and by how much.

    Parameters
    ----------
    row : RegionRow
        The selected region.
    gene : str
        The gene on the map.
    signature : str, optional
        Key of the signature on the map.
    """
    st.subheader(f"{plain(row.name)} against the rest of the tissue", anchor=False)
    all_genes = st.toggle(
        "Test unreliable genes too",
        key=f"every-{run.id}",
        help="By default, only reliable genes are tested.",
    )
    inside = tiles_inside(row, prediction)
    try:
        # Checked first, because reading the expression takes seconds.
        predicted = (prediction.obs["qc"] == "ok").to_numpy()
        require_tiles(int((inside & predicted).sum()), int((~inside & predicted).sum()))
        found = _tested(str(run.directory), row.id, all_genes, inside)
    except HistospaceError as error:
        st.info(plain(error))
        return
    unit = unit_label(prediction.record.model.expression_unit)
    _headline(found, gene, unit)
    _expected(prediction, inside, row, gene, signature, unit)
    _warn_out_of_domain(prediction, inside & predicted)
    picture, table = st.columns(2, gap="medium")
    with picture:
        st.plotly_chart(
            volcano(found.table, region=row.name, unit=unit),
            key=f"volcano-{run.id}",
            config=CHART_CONFIG,
            alt=f"Difference of each gene between {row.name} and the rest, against its p-value",
        )
    with table:
        shown = found.table[[c for c in _COLUMNS if c in found.table]].rename(columns=_COLUMNS)
        small = {_COLUMNS[c] for c in ("p_value", "q_value", "naive_p_value", "wrong_direction")}
        st.dataframe(
            shown,
            hide_index=True,
            height=420,
            column_config={
                c: st.column_config.NumberColumn(
                    format="%.2g" if c in small else "%.3f", help=_HELP.get(c)
                )
                for c in shown.columns
                if pd.api.types.is_float_dtype(shown[c])
            },
            alt=f"Genes tested between {row.name} and the rest",
        )
    st.caption(
        "Difference of mean predicted expression, with its 95 % interval. p, q and the interval "
        "come from the same shape at random positions on this tissue, because neighbouring tiles "
        "are correlated; a test that treats them as independent finds most genes significant even "
        "in noise. Draw the region from the histology: if you drew it from a gene's map, the q of "
        "that gene is not valid."
    )
    statistics = partial(_csv, found, prediction, row)
    download("Statistics as CSV", statistics, "region", row.name, run.id[:8])


@st.cache_data(show_spinner="Testing the genes…", max_entries=16)
def _tested(
    folder: str, state: int, all_genes: bool, _inside: npt.NDArray[np.bool_]
) -> AgainstRest:
    # `state` is the id of the region's current outline; it stands for `_inside` in the cache key.
    prediction = open_prediction(Path(folder))
    found = against_rest(prediction.to_anndata(), _inside, reliable_only=not all_genes)
    expected = expected_in_region(prediction, _inside, list(found.table["gene"]))
    if expected is None:
        return found
    return replace(found, table=found.table.merge(expected, on="gene"))


def _headline(found: AgainstRest, gene: str, unit: str) -> None:
    """Show the numbers of tiles and genes, and the result for the gene on the map."""
    called = int((found.table["q_value"] < MAX_Q).sum())
    what = "tested" if found.n_tested == found.n_genes else "reliable and tested"
    st.markdown(
        f"{found.n_inside:,} tiles inside, {found.n_outside:,} outside. {found.n_tested:,} of "
        f"{found.n_genes:,} genes ({found.n_tested / found.n_genes:.0%}) are {what}; "
        f"**{called:,} differ at q < {MAX_Q:g}**."
    )
    one = found.table[found.table["gene"] == gene]
    if one.empty:
        st.markdown(f"{plain(gene)} is unreliable and was not tested.")
        return
    (score,) = one.itertuples()
    if np.isnan(score.q_value):
        st.markdown(f"{plain(gene)} does not vary enough to be tested.")
        return
    st.markdown(
        f"**{plain(gene)}**: {score.difference:+.3f} {plain(unit)} "
        f"({score.ci_low:+.3f} to {score.ci_high:+.3f}), q = {score.q_value:.2g}; "
        f"if tiles were independent, p = {score.naive_p_value:.2g}."
    )


def _expected(
    prediction: Prediction,
    inside: npt.NDArray[np.bool_],
    row: RegionRow,
    gene: str,
    signature: str | None,
    unit: str,
) -> None:
    """Say what to expect of true expression in the region, of the gene and of the signature."""
    found = expected_in_region(prediction, inside, [gene])
    if found is None:
        return
    (one,) = found.itertuples()
    if np.isfinite(one.expected_low):
        st.markdown(
            f"True expression of **{plain(gene)}** in {plain(row.name)} as a whole: "
            f"**{one.expected_low:.2f}** to **{one.expected_high:.2f}** {plain(unit)} "
            f"({PROMISED:.0%} interval; it allows for neighbouring tiles that are off together and "
            "for a pattern that is not there, so it can be wider than that of one tile). Against "
            f"the rest: {_direction(one)}"
        )
    if signature is not None:
        lists = [run_signature(prediction.run_dir, signature)]
        sums = expected_signatures(prediction, inside, lists)
        if sums is not None and len(sums):
            (whole,) = sums.itertuples()
            st.markdown(
                f"The {whole.n_genes} reliable genes of **{plain(whole.signature)}** together: "
                f"{_direction(whole)}"
            )


def _direction(found: Any) -> str:
    """Return whether the direction of a difference is confirmed, and its fold change."""
    fold = f"{found.fold_change:.2f} times ({found.fold_low:.2f} to {found.fold_high:.2f})"
    if found.wrong_direction < MOST_WRONG:
        word = "higher" if found.fold_change > 1 else "lower"
        return f"**{word}**, {fold}; chance of the wrong direction {found.wrong_direction:.0%}."
    wrong = f"chance of the wrong direction {found.wrong_direction:.0%}"
    return f"**direction not confirmed**, {fold}; {wrong}."


def _warn_out_of_domain(prediction: Prediction, inside: npt.NDArray[np.bool_]) -> None:
    """Warn if tiles of the region are out of the model's domain."""
    n = int((prediction.obs["domain_score"].to_numpy()[inside] > OUT_OF_DOMAIN_SCORE).sum())
    if n:
        st.warning(
            f"{n:,} of the {inside.sum():,} tiles inside are unlike the training tissue (grey on "
            "the map). The statistics of the region include them."
        )


def _csv(found: AgainstRest, prediction: Prediction, row: RegionRow) -> bytes:
    record = prediction.record
    table = found.table.assign(
        n_inside=found.n_inside,
        n_outside=found.n_outside,
        unit=record.model.expression_unit,
        model=record.model.name,
        slide_sha256=record.slide.sha256,
        use=RESEARCH_USE,
    )
    table.insert(0, "region", row.name)
    return to_csv(table)
