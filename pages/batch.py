"""Predict several slides with one model; each slide becomes a separate run."""

from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from histospace_core.catalog import SlideRow
from histospace_core.catalog.tags import LONGEST_TAG, tidy_tags
from histospace_core.server import get_context
from histospace_core.web.widgets.model_choice import choose_model, choose_stain
from histospace_core.web.widgets.parts import empty_state, guarded, plain, size_text


@guarded
def batch() -> None:
    """Let the user choose slides, a model and a tag; queue the runs and open Runs."""
    st.title("Predict several slides")
    slides = {slide.id: slide for slide in get_context().catalog.slides()}
    ready = {key: slide for key, slide in slides.items() if slide.mpp is not None}
    if not ready:
        empty_state("There is no slide with a pixel size yet.", "slides.py", "Go to Slides")
        return
    chosen = _choose_slides(ready)
    for slide in slides.values():
        if slide.mpp is None:
            st.caption(f"{plain(slide.name)} is left out because its pixel size is unknown.")
    model = choose_model()
    if model is None:
        return
    stain = choose_stain()
    st.session_state.setdefault("batch-tag", _default_tag())
    typed = st.text_input("Tag for these runs", key="batch-tag", max_chars=LONGEST_TAG)
    (tag,) = tidy_tags([typed]) or (_default_tag(),)
    label = f"Queue {len(chosen)} predictions" if len(chosen) != 1 else "Queue 1 prediction"
    if st.button(label, type="primary", icon=":material/playlist_play:", disabled=not chosen):
        context = get_context()
        for run_id in context.jobs.submit_predictions(
            chosen, model.name, stain=stain, model_sha256=model.sha256
        ):
            # An identical run may be queued already; keep its tags.
            existing = context.catalog.run(run_id).tags
            context.catalog.describe_run(run_id, tags=[*existing, tag])
        st.switch_page("runs.py", query_params={"tag": tag})


def _choose_slides(ready: dict[str, SlideRow]) -> list[str]:
    wanted = [key for key in st.session_state.get("batch", ()) if key in ready]
    return st.multiselect(
        f"Slides ({len(ready):,} available)",
        list(ready),
        default=wanted or list(ready),  # the slides chosen under Slides
        format_func=lambda key: f"{ready[key].name} · {size_text(ready[key])}",
    )


def _default_tag() -> str:
    now = datetime.now(ZoneInfo(st.context.timezone or "UTC"))
    return f"batch {now:%Y-%m-%d %H:%M}"


batch()
