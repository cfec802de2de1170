"""The scale down to which a gene's map was confirmed, and the map averaged to it."""

import html

import streamlit as st

from histospace_core.inference import Prediction
from histospace_core.uncertainty import SCALES
from histospace_core.web.widgets.parts import plain

PARAMETER = "average"
"""URL parameter: "on" where maps are averaged to the scale that was confirmed."""
_NAMES = ("tile", "200 µm", "600 µm", "")
_CLAIMS = (
    "On {held_out}, the detail of this map was in the right direction, on average, down to tiles.",
    "On {held_out}, this map was in the right direction, on average, when averaged within 200 µm; "
    "finer detail was not confirmed.",
    "On {held_out}, this map was in the right direction, on average, when averaged within 600 µm; "
    "finer detail was not confirmed.",
    "**The pattern of this map was not confirmed** on {held_out}: it may not be there. Held-out r "
    "can be high all the same, because it contains the depth of the spots.",
)
_HELD_OUT = {
    "patient": "patients whom the model never saw",
    "section": "sections that the model never saw, of a patient whom it knew",
}


def confirmed_scale(prediction: Prediction, gene: str) -> str | None:
    """Return the finest scale at which a gene's map was confirmed; None if the model is silent."""
    if prediction.predictive is None or prediction.predictive.maps is None:
        return None
    return SCALES[int(prediction.predictive.maps.scale[prediction.genes.index(gene)])]


def shown_scale(run_id: str, prediction: Prediction, gene: str) -> str:
    """Return the scale to which the map of a gene is averaged: as predicted, unless chosen."""
    scale = confirmed_scale(prediction, gene)
    return scale if scale and averages(run_id) else SCALES[0]


def averages(run_id: str) -> bool:
    """Return whether the user wants maps averaged to the scale that was confirmed."""
    return bool(st.session_state.get(_key(run_id), st.query_params.get(PARAMETER) == "on"))


def averaged_text(scale: str) -> str:
    """Return what a map averaged to a scale must say of itself; "" for one as predicted."""
    place = SCALES.index(scale)
    if place == 0:
        return ""
    over = f"within {_NAMES[place]}" if _NAMES[place] else "over the whole slide"
    return f"averaged {over}; "


def scale_of_certainty(run_id: str, prediction: Prediction, gene: str) -> None:
    """Show the scale down to which the map was confirmed; let the user average it to that."""
    scale = confirmed_scale(prediction, gene)
    if scale is None:
        st.caption("This model does not state whether the pattern of its maps was confirmed.")
        return
    place = SCALES.index(scale)
    st.html(_bar(place))
    held_out = _HELD_OUT.get(prediction.record.model.metrics.get("held_out_by", ""), "")
    st.markdown(_CLAIMS[place].format(held_out=held_out))
    if place < len(SCALES) - 1 and held_out == _HELD_OUT["section"]:
        st.markdown("For a new patient, nothing is confirmed.")
    st.session_state[_key(run_id)] = averages(run_id)
    chosen = st.toggle(
        "Average the map to this scale" if _NAMES[place] else "Average the map over the slide",
        key=_key(run_id),
        disabled=place == 0,
        help="Shows what was confirmed and nothing finer. Where counts of held-out sections do not "
        f"show that the detail of {plain(gene)} is there, tiles are averaged with those around "
        "them (within 250 or 750 µm, as in the test), or over the whole slide. Regions and "
        "downloads keep the map as it was predicted.",
    )
    if chosen:
        st.query_params[PARAMETER] = "on"
    else:
        st.query_params.pop(PARAMETER, None)


def _bar(place: int) -> str:
    """Return a bar of the scales, from fine to coarse, filled where the map was confirmed."""
    cells = []
    for i, name in enumerate(_NAMES[:-1]):
        colour = "var(--primary-color,#7c3aed)" if i >= place else "transparent"
        cells.append(
            '<div style="flex:1;min-width:0">'
            f'<div style="height:.6rem;background:{colour};border:1px solid currentColor"></div>'
            f'<div style="font-size:.8rem;text-align:center">{html.escape(name)}</div></div>'
        )
    found = f"down to: {_NAMES[place]}" if place < len(_NAMES) - 1 else "at none of these scales"
    label = html.escape(f"Pattern confirmed {found}")
    return (
        f'<div role="img" aria-label="{label}">'
        f'<div style="font-size:.875rem;margin-bottom:.2rem">{label}</div>'
        f'<div style="display:flex;gap:2px" aria-hidden="true">{"".join(cells)}</div></div>'
    )


def _key(run_id: str) -> str:
    return f"average-{run_id}"
