"""A selection of tiles or spots that survives a change of its figure.

Streamlit mounts a new chart when a figure changes, and drops the selection of the old chart. This
module stores the selection under a scope (a run or a comparison), so that new figures can show it.
A figure whose selection changes is not drawn again, so it keeps its zoom.
"""

from collections.abc import Hashable

import streamlit as st


def store_chart_selection(scope: str, chart: str, trace: int = 0) -> None:
    """Store the selection that was just made in a chart; its `on_select` callback.

    Parameters
    ----------
    scope : str
        What the selection belongs to.
    chart : str
        Key of the chart.
    trace : int
        Index of the trace whose points are the tiles or spots.
    """
    points = st.session_state[chart]["selection"]["points"]
    set_selection(scope, [p["point_index"] for p in points if p["curve_number"] == trace])


def set_selection(scope: str, rows: list[int]) -> None:
    """Set the selection of a scope."""
    st.session_state[_key(scope)] = sorted(set(rows))


def clear(scope: str) -> None:
    """Clear the selection of a scope, and of the figure that shows it."""
    st.session_state[_key(scope)] = []
    st.session_state.pop(_key(scope) + "-drawn", None)


def selected(scope: str) -> list[int]:
    """Return the selected rows of a scope, in ascending order."""
    return list(st.session_state.get(_key(scope), []))


def selection_for_figure(scope: str, figure: Hashable) -> list[int] | None:
    """Return the selection to draw in a figure; None if it is empty.

    `figure` identifies everything else in the figure. Until it changes, the result stays the same,
    so that the chart keeps its own selection and its zoom.
    """
    key = _key(scope) + "-drawn"
    if key not in st.session_state or st.session_state[key][0] != figure:
        st.session_state[key] = (figure, selected(scope) or None)
    return st.session_state[key][1]


def _key(scope: str) -> str:
    return f"selection-{scope}"
