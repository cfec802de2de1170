"""Slides: upload, look, state the pixel size, delete."""

import streamlit as st

from histospace_core.catalog import SlideRow
from histospace_core.web import get_context, slide_uploader
from histospace_core.web.parts import (
    ask_pixel_size,
    guarded,
    pixel_size_text,
    plain,
    sample_note,
    size_text,
    thumbnail,
    when,
)


@guarded
def slides() -> None:
    """Show the upload field and the slides that are there."""
    st.title("Slides")
    _upload()
    catalog = get_context().catalog
    everything = catalog.slides()
    if not everything:
        with st.container(border=True):
            st.markdown("There is no slide yet: upload one above, or begin with the sample.")
            st.page_link("start.py", label="Try the sample", icon=":material/play_arrow:")
        return
    text = st.text_input("Find", placeholder="part of a name", icon=":material/search:")
    found = catalog.slides(text)
    st.caption(f"{len(found)} of {len(everything)} slides")
    for slide in found:
        _card(slide)


def _upload() -> None:
    result = slide_uploader("slide-upload", "Upload an H&E slide")
    if not result:
        return
    if "error" in result:
        st.error(plain(result["error"]))
        return
    slide = next((s for s in get_context().catalog.slides() if s.id == result["slide_id"]), None)
    if slide is None:
        return  # deleted since
    with st.container(border=True):
        st.success(f"{plain(slide.name)} is ready.", icon=":material/check:")
        if slide.mpp is None:
            ask_pixel_size(slide, "new")
        else:
            _predict_link(slide)


def _card(slide: SlideRow) -> None:
    with st.container(border=True):
        picture, facts = st.columns([1, 3])
        with picture:
            thumbnail(slide)
        with facts:
            st.markdown(f"##### {plain(slide.name)}", anchors=False)
            sample_note(slide)
            st.markdown(f"{size_text(slide)} · {plain(slide.vendor)} · {pixel_size_text(slide)}")
            st.caption(f"Added {when(slide.created_at)} · {slide.size_bytes / 1e6:,.1f} MB")
            with st.container(horizontal=True, vertical_alignment="center"):
                _actions(slide)


def _actions(slide: SlideRow) -> None:
    if slide.mpp is None:
        with st.popover("State the pixel size", type="primary"):
            ask_pixel_size(slide)
    else:
        _predict_link(slide)
    if st.button("Delete", key=f"delete-{slide.id}", icon=":material/delete:", type="tertiary"):
        _confirm_delete(slide)


def _predict_link(slide: SlideRow) -> None:
    st.page_link(
        "predict.py",
        label="Predict",
        icon=":material/play_circle:",
        query_params={"slide": slide.id},
    )


@st.dialog("Delete this slide?")
@guarded
def _confirm_delete(slide: SlideRow) -> None:
    st.markdown(f"{plain(slide.name)} and its file in the store go for good.")
    if st.button("Delete the slide", type="primary"):
        get_context().catalog.delete_slide(slide.id)
        st.rerun()


slides()
