"""The download button."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from histospace_core.exports import file_name
from histospace_core.web.widgets.parts import plain

_KINDS: Final = {
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".json": "application/json",
    ".zip": "application/zip",
}


def download(
    label: str,
    make: Callable[[], bytes],
    *name: str,
    suffix: str = ".csv",
    key: str | None = None,
) -> None:
    """Offer a file for download; it is made only when the user clicks the button.

    Parameters
    ----------
    label : str
        Plain text on the button.
    make : callable
        Returns the content of the file.
    name : str
        Parts of the file name, joined by hyphens; unsafe characters are replaced.
    suffix : str
        Suffix of the file name, which also determines its MIME type.
    key : str, optional
        Required where a page has two buttons with the same label.
    """
    st.download_button(
        plain(label),
        make,
        file_name(*name, suffix=suffix),
        _KINDS[suffix],
        key=key,
        on_click="ignore",  # no rerun: a download changes nothing on the page
        icon=":material/download:",
    )
