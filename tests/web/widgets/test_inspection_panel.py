"""The panel shows the text of `histospace inspect` under the user's name of the file."""

from pathlib import Path

from builders.slide_files import make_slide
from streamlit.testing.v1 import AppTest


def _page(path: str, opened: bool) -> None:
    from pathlib import Path

    import streamlit as st

    from histospace_core.web.widgets.inspection_panel import inspection_panel

    st.session_state[f"inspection-{path}"] = opened
    inspection_panel(Path(path), "mine.png")


def test_it_reads_the_file_only_when_opened(tmp_path: Path) -> None:
    path = make_slide(tmp_path / "slide.png", side=300)
    for opened in (False, True):
        app = AppTest.from_function(_page, args=(str(path), opened), default_timeout=120).run()
        assert not app.exception
        text = "".join(code.value for code in app.code)
        assert ("mine.png: slide" in text) == opened
        assert str(tmp_path) not in text
