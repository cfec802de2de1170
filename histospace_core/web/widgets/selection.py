"""A selection of tiles or spots that outlives the figure it was drawn in.

Streamlit mounts a new chart when its figure changes and forgets what was selected in the old one.
So the selection is kept here, under a scope (a run, a comparison), and drawn into new figures. A
figure that only reports a selection stays as it is, and keeps its zoom.
"""

from collections.abc import Hashable

import streamlit as st


def store_chart_selection(scope: str, chart: str, trace: int = 0) -> None:
    """Take over what was just selected in a chart: its `on_select` callback.

    Parameters
    ----------
    scope : str
        What the selection belongs to.
    chart : str
        Key of the chart.
    trace : int
        Number of the trace whose points are the tiles or spots.
    """
    points = st.session_state[chart]["selection"]["points"]
    set_selection(scope, [p["point_index"] for p in points if p["curve_number"] == trace])


def set_selection(scope: str, rows: list[int]) -> None:
    """Set the selection of a scope."""
    st.session_state[_key(scope)] = sorted(set(rows))


def clear(scope: str) -> None:
    """Forget the selection of a scope, also in the figure that shows it."""
    st.session_state[_key(scope)] = []
    st.session_state.pop(_key(scope) + "-drawn", None)


def selected(scope: str) -> list[int]:
    """Return the selected rows of a scope, in order."""
    return list(st.session_state.get(_key(scope), []))


def selection_for_figure(scope: str, figure: Hashable) -> list[int] | None:
    """Return the selection to draw into a figure that is otherwise given by `figure`.

    While `figure` stays the same, so does the answer: the chart keeps its state and its zoom.
    """
    key = _key(scope) + "-drawn"
    if key not in st.session_state or st.session_state[key][0] != figure:
        st.session_state[key] = (figure, selected(scope) or None)
    return st.session_state[key][1]


def _key(scope: str) -> str:
    return f"selection-{scope}"
