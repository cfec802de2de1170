"""View of a characterisation: the markers of its domains."""

import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.characterise.levels import CLEAR_EFFECT
from histospace_core.exports.characterisation import StoredCharacterisation
from histospace_core.figures.colours import unit_label
from histospace_core.figures.markers import UNRELIABLE, marker_dots, marker_figure
from histospace_core.web.characterise.domains import names_of
from histospace_core.web.widgets.parts import CHART_CONFIG

_ALL = "all domains"


def markers_view(run: RunRow, stored: StoredCharacterisation, level: int) -> None:
    """Show the markers of the domains: filters, a figure and a table."""
    names = names_of(stored, level)
    markers = stored.markers(level)
    if markers.empty:
        st.info(
            "At this resolution, fewer than two domains are large enough to find markers; choose "
            "another resolution."
        )
        return
    which, least, search = st.columns([2, 2, 2])
    domain = which.selectbox("Domain", [_ALL, *names])
    smallest = least.slider(
        "Least effect, standard deviations",
        0.0,
        3.0,
        CLEAR_EFFECT,
        0.1,
        help="The end of the effect's 95 % interval that is nearer to zero; the effect is at least "
        "this large.",
    )
    text = search.text_input("Find a gene", placeholder="part of its name")
    with st.container(horizontal=True):
        with_lower = st.toggle("Include genes that are lower in the domain", False)
        reliable_only = not markers["reliable"].all() and st.toggle("Reliable genes only", True)
    if reliable_only:
        markers = markers[markers["reliable"]]
    shown = markers if domain == _ALL else markers[markers["region"] == str(names.index(domain))]
    effect = shown["least_effect"].abs() if with_lower else shown["least_effect"]
    keep = effect >= smallest
    if text:
        keep &= shown["gene"].str.contains(text, case=False, regex=False)
    shown = shown[keep]
    unit = unit_label(stored.summary["expression_unit"])
    if domain == _ALL:
        figure = marker_dots(markers, names)
        alt = f"Clearest markers of {len(names)} domains, in every domain"
    else:
        only = markers[markers["region"] == str(names.index(domain))]
        figure = marker_figure(only, names, unit=unit, clear=CLEAR_EFFECT, per_domain=20)
        alt = f"Clearest markers of {domain}, with their 95 % intervals"
    st.plotly_chart(figure, key=f"markers-{run.id}", config=CHART_CONFIG, alt=alt)
    _marker_table(shown, names)


def _marker_table(shown: pd.DataFrame, names: list[str]) -> None:
    columns = {
        "region": "domain", "gene": "gene", "effect_size": "effect, SD",
        "least_effect": "least effect, SD", "difference": "difference", "ci_low": "from",
        "ci_high": "to", "mean_in": "mean inside", "mean_out": "mean outside",
        "reliable": "reliable", "measured_difference": "measured difference",
        "measured_q_value": "measured q", "fold_change": "true fold change, expected",
        "fold_low": "at least", "fold_high": "at most",
        "wrong_direction": "chance of the wrong direction",
    }  # fmt: skip
    table = shown.assign(region=[names[int(r)] for r in shown["region"]])
    table = table[[c for c in columns if c in table]].rename(columns=columns)
    numbers = {
        name: st.column_config.NumberColumn(format="%.2g" if name == "measured q" else "%.3f")
        for name in table.columns
        if pd.api.types.is_float_dtype(table[name])
    }
    st.markdown(f"**{len(table):,} genes**")
    st.dataframe(table, hide_index=True, height=320, column_config=numbers, alt="Markers")
    st.caption(
        "Sorted by domain, then by least effect. No p-values are shown: the domains were found "
        "from these genes, so a test would not be valid. "
        + (
            "Measured q tests the same difference in the measurement, which was not used to find "
            "the domains. "
            if "measured q" in table
            else "Compare the run with a measurement to see which differences it confirms. "
        )
        + f"{UNRELIABLE} marks unreliable genes."
    )
