"""Entry point of the app: the navigation and the frame around every page."""

import streamlit as st

from histospace_core.server.assets import STATIC
from histospace_core.web.widgets.parts import NOTICE

PAGES = [
    st.Page("start.py", title="Home", icon=":material/home:", default=True),
    st.Page("slides.py", title="Slides", icon=":material/image:"),
    st.Page("predict.py", title="Predict", icon=":material/play_circle:"),
    st.Page("batch.py", title="Predict several", visibility="hidden"),
    st.Page("gene_map.py", title="Gene map", icon=":material/grid_on:"),
    st.Page("compare.py", title="Compare", icon=":material/compare:"),
    st.Page("characterise.py", title="Characterise", icon=":material/category:"),
    st.Page("export.py", title="Export", icon=":material/download:"),
    st.Page("runs.py", title="Runs", icon=":material/list:"),
    st.Page("two_runs.py", title="Two runs", visibility="hidden"),
    st.Page("models.py", title="Models", icon=":material/deployed_code:"),
    st.Page("train.py", title="Train", icon=":material/model_training:"),
    st.Page("scores.py", title="Evaluation", icon=":material/analytics:"),
    st.Page("about_scores.py", title="How the scores are made", visibility="hidden"),
]


def frame() -> None:
    """Draw the frame, then the page that the address names."""
    # A local file: for a Material icon, the browser would load a font from an external server.
    st.set_page_config(layout="wide", page_icon=str(STATIC / "mark.svg"))
    st.logo(str(STATIC / "logo.svg"), size="large")
    # Streamlit leaves a tenth of a laptop screen empty above the page; maps need that space.
    # In a narrow window, a wide table scrolls by itself, not the page with it.
    st.html(
        "<style>[data-testid=stMainBlockContainer]{padding-top:4.5rem}"
        "[data-testid=stMarkdownContainer] table{display:block;overflow-x:auto}"
        "@media(min-width:60rem){.st-key-notice{align-items:flex-end;margin-bottom:-3.6rem}}</style>"
    )
    page = st.navigation(PAGES, position="top")
    with st.container(key="notice"):  # drawn first, so also on a page that fails
        st.badge(NOTICE, icon=":material/science:", color="violet")
    page.run()


# A worker process that starts meanwhile runs this file too, as multiprocessing does with the main
# script of its parent; there is no page to draw in it.
if __name__ == "__main__":
    frame()
