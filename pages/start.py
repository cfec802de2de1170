"""Home: what the app does, and three ways to begin."""

import streamlit as st

from histospace_core.catalog import SlideRow, State
from histospace_core.progress import Progress
from histospace_core.server import get_context
from histospace_core.server.samples import add_her2st, add_phantom
from histospace_core.web.widgets.model_choice import initial_model
from histospace_core.web.widgets.parts import guarded, plain, state_badge, time_text
from histospace_core.web.widgets.run_progress import progress_bar
from histospace_core.web.widgets.uploader import SLIDE_FORMATS


@guarded
def start() -> None:
    """Say what the app does, and offer three ways to begin."""
    st.title("From an H&E slide to gene expression")
    st.markdown(
        "HistoSPACE predicts gene expression across the tissue of a slide and states the accuracy "
        "of each gene. No pixel leaves this machine."
    )
    sample, upload, recent = st.columns(3, gap="medium")
    with sample.container(border=True, height="stretch"):
        _sample()
    with upload.container(border=True, height="stretch"):
        st.subheader("2 · Use your own slide")
        st.markdown(f"{SLIDE_FORMATS}; of any size. It stays on this machine.")
        st.page_link("slides.py", label="Upload a slide", icon=":material/upload:")
    with recent.container(border=True, height="stretch"):
        _recent()


def _sample() -> None:
    st.subheader("1 · Try it")
    st.markdown("A section drawn by the app, with known expression. It is not patient tissue.")
    if st.button("Try the sample", type="primary", icon=":material/play_arrow:"):
        with st.spinner("Drawing the sample section…"):
            slide = add_phantom(get_context())
        _predict(slide)
    with st.popover("Or a real section", icon=":material/download:"):
        st.markdown(
            "Section C5 of the public her2st cohort (HER2-positive breast cancer, Andersson et al. "
            "2021): slide and measured expression, 4.6 MB. **This downloads from the internet.**"
        )
        if st.button("Download a real her2st section"):
            _download()


@guarded
def _download() -> None:
    with progress_bar("Downloading…") as bar:

        def report(event: Progress) -> None:
            bar.progress(event.done / event.total, f"Downloading {event.stage}")

        slide = add_her2st(get_context(), "C5", report)
    _predict(slide)


def _predict(slide: SlideRow) -> None:
    """Predict a sample with the default settings, or open its map if one exists."""
    context, model = get_context(), initial_model()
    if model is None:
        st.switch_page("predict.py", query_params={"slide": slide.id})
    done = context.catalog.runs(  # a second click must not predict the sample again
        slide_id=slide.id, model_name=model.name, kinds=["predict"], states=[State.DONE], limit=1
    )
    if done:
        st.switch_page("gene_map.py", query_params={"run": done[0].id})
    run_id = context.jobs.submit_prediction(slide.id, model.name, model_sha256=model.sha256)
    st.switch_page("predict.py", query_params={"run": run_id})


def _recent() -> None:
    st.subheader("3 · Continue")
    runs = get_context().catalog.runs(kinds=["predict"], limit=4)
    if not runs:
        st.markdown("Your latest predictions appear here.")
    for run in runs:
        page = "gene_map.py" if run.state == "done" else "predict.py"
        with st.container(horizontal=True, vertical_alignment="center"):
            name = run.slide.name if run.slide else run.kind
            label = plain(f"{name} · {time_text(run.created_at)}")
            st.page_link(page, label=label, query_params={"run": run.id})
            if run.state != "done":
                state_badge(run)


start()
