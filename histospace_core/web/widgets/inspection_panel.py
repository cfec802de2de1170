"""What a file is: the text of `histospace inspect`, on a page."""

from pathlib import Path

import streamlit as st

from histospace_core.expression.choice import ONLY, Choice
from histospace_core.inspection.inspect import inspect_path


@st.fragment
def inspection_panel(
    path: Path,
    name: str,
    spots: Path | None = None,
    *,
    series: str | None = None,
    choice: Choice = ONLY,
) -> None:
    """Show what a file is and holds, once the panel is opened; its text has a button to copy it.

    Parameters
    ----------
    path : Path
        The stored file.
    name : str
        The user's name of it.
    spots : Path, optional
        Spot file of a table of counts.
    series, choice
        What the user has chosen, where the file holds several.
    """
    panel = st.expander(
        "What this file is",
        key=f"inspection-{path}",
        on_change="rerun",
        icon=":material/description:",
    )
    if panel.open:
        with panel:
            changed = path.stat().st_mtime_ns
            text = _text(path, name, spots, series, choice, changed)
            st.code(text, None, wrap_lines=True)


# `changed` only belongs to the key of the cache: a changed file is inspected again.
@st.cache_data(show_spinner="Reading the file…", max_entries=20)
def _text(
    path: Path, name: str, spots: Path | None, series: str | None, choice: Choice, changed: int
) -> str:
    return inspect_path(path, spots, series=series, choice=choice, name=name).text()
