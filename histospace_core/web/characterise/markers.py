"""View of a characterised run: the genes that mark its domains."""

import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.characterise.levels import CLEAR_EFFECT
from histospace_core.exports.characterisation import StoredCharacterisation
from histospace_core.figures.colours import unit_label
from histospace_core.figures.markers import UNRELIABLE, marker_dots, marker_figure
from histospace_core.web.characterise.domains import names_of
from histospace_core.web.widgets.parts import CHART_CONFIG

_EVERY = "all domains"


def markers_view(run: RunRow, stored: StoredCharacterisation, level: int) -> None:
    """Show the genes that mark the domains: filters, a figure, a table."""
    names = names_of(stored, level)
    markers = stored.markers(level)
    if markers.empty:
        st.info("Fewer than two domains are large enough to compare at this resolution.")
        return
    which, least, search = st.columns([2, 2, 2])
    domain = which.selectbox("Domain", [_EVERY, *names])
    smallest = least.slider(
        "Least effect, standard deviations",
        0.0,
        3.0,
        CLEAR_EFFECT,
        0.1,
        help="The end of the 95 % interval nearer to zero: the effect is at least this large.",
    )
    wanted = search.text_input("Find a gene", placeholder="part of its name")
    with st.container(horizontal=True):
        lowered = st.toggle("Lowered genes too", False)
        trusted = not markers["reliable"].all() and st.toggle("Reliable genes only", True)
    if trusted:
        markers = markers[markers["reliable"]]
    shown = markers if domain == _EVERY else markers[markers["region"] == str(names.index(domain))]
    effect = shown["least_effect"].abs() if lowered else shown["least_effect"]
    keep = effect >= smallest
    if wanted:
        keep &= shown["gene"].str.contains(wanted, case=False, regex=False)
    shown = shown[keep]
    unit = unit_label(stored.summary["expression_unit"])
    if domain == _EVERY:
        figure = marker_dots(markers, names)
        alt = f"Clearest markers of {len(names)} domains against every domain"
    else:
        only = markers[markers["region"] == str(names.index(domain))]
        figure = marker_figure(only, names, unit=unit, clear=CLEAR_EFFECT, per_domain=20)
        alt = f"Genes most clearly raised in {domain}, with their 95 % intervals"
    st.plotly_chart(figure, key=f"markers-{run.id}", config=CHART_CONFIG, alt=alt)
    _marker_table(shown, names)


def _marker_table(shown: pd.DataFrame, names: list[str]) -> None:
    columns = {
        "region": "domain", "gene": "gene", "effect_size": "effect, SD",
        "least_effect": "least effect, SD", "difference": "difference", "ci_low": "from",
        "ci_high": "to", "mean_in": "mean inside", "mean_out": "mean outside",
        "reliable": "reliable", "measured_difference": "measured difference",
        "measured_q_value": "measured q",
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
        "By domain, largest least effect first. The domains were found on these very genes, so no "
        "p-value is shown: it would test nothing. "
        + (
            "Measured q tests the same difference on the measurement, which the domains do not "
            "know. "
            if "measured q" in table
            else "Hold the run against a measurement to see which differences are in the tissue. "
        )
        + f"{UNRELIABLE} marks unreliable genes."
    )
