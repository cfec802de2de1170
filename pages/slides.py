"""Slides: upload, import, find, edit, predict and delete slides."""

from typing import Any

import streamlit as st

from histospace_core.catalog import ACTIVE, Kind, SlideRow, State
from histospace_core.catalog.import_folder import MAX_LISTED, list_importable
from histospace_core.server import get_context
from histospace_core.web.library.listing import (
    current_page,
    describe,
    search_bar,
    show_tags_and_note,
    warn_of_personal_name,
    watch,
)
from histospace_core.web.widgets.image_choice import ask_for_image, show_failed_import, slide_of
from histospace_core.web.widgets.parts import (
    ask_pixel_size,
    guarded,
    image_text,
    pixel_size_text,
    plain,
    sample_note,
    size_text,
    thumbnail,
    time_text,
)
from histospace_core.web.widgets.uploader import SLIDE_FORMATS, slide_uploader

PER_PAGE, PER_ROW = 12, 3


@guarded
def slides() -> None:
    """Show the upload and import fields, then the slides of the store."""
    st.title("Slides")
    _upload()
    if get_context().settings.import_dir is not None:
        _import()
    catalog = get_context().catalog
    everything = catalog.slides()
    if not everything:
        with st.container(border=True):
            st.markdown("There is no slide yet: upload one above, or start with the sample.")
            st.page_link("start.py", label="Try the sample", icon=":material/play_arrow:")
        return
    found = catalog.slides(*search_bar(SlideRow, "part of a name, note or tag"))
    ready = [slide.id for slide in found if slide.mpp is not None]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(found)} of {len(everything)} slide{'s' if len(everything) > 1 else ''}")
        if len(ready) > 1:
            _predict_all(ready, "listed")
    shown = current_page(found, PER_PAGE)
    for first in range(0, len(shown), PER_ROW):
        for slide, place in zip(shown[first : first + PER_ROW], st.columns(PER_ROW), strict=False):
            with place.container(border=True, height="stretch"):
                _card(slide)


def _upload() -> None:
    st.caption(f"{SLIDE_FORMATS}.")
    results = slide_uploader("slide-upload", "Upload H&E slides")
    for refused in (result for result in results if "error" in result):
        st.error(plain(refused["error"]))
    for upload in get_context().uploads.undecided():
        ask_for_image(upload)
    accepted = dict.fromkeys(map(slide_of, results))
    there = {slide.id: slide for slide in get_context().catalog.slides()}
    new = [
        there[slide_id] for slide_id in accepted if slide_id in there
    ]  # it may be deleted by now
    for slide in new:
        with st.container(horizontal=True, vertical_alignment="center"):
            state = "was added; enter its pixel size" if slide.mpp is None else "is ready"
            name = plain(slide.name + image_text(slide))
            st.markdown(f":material/check: {name} {state}.", width="content")
            if slide.mpp is not None:
                _predict_link(slide)
        if slide.mpp is None:
            with st.container(border=True):
                ask_pixel_size(slide, "new")
    ready = [slide.id for slide in new if slide.mpp is not None]
    if len(ready) > 1:
        _predict_all(ready, "new")


def _import() -> None:
    """Let the user import files that the operator has put into the import folder."""
    context = get_context()
    with st.expander("From the import folder", icon=":material/folder_open:"):
        names = list_importable(context.settings)
        if not names:
            st.markdown("The import folder contains no slide. Slides placed there are listed here.")
        else:
            st.caption("The files stay in place; nothing in the folder is changed.")
            chosen = st.multiselect(
                f"Files ({len(names):,} available)",
                names,
                placeholder="choose one or more",
                key="import",
            )
            if len(names) == MAX_LISTED:
                st.caption(f"Only the first {MAX_LISTED:,} are listed.")
            st.button(
                "Import files",
                disabled=not chosen,
                icon=":material/add:",
                on_click=_import_selected,
            )
    active = context.catalog.runs(kinds=[Kind.IMPORT], states=ACTIVE)
    if active:
        watch([run.id for run in active])
    for run in context.catalog.runs(kinds=[Kind.IMPORT], states=[State.FAILED], limit=5):
        show_failed_import(run)


def _import_selected() -> None:
    """Queue the imports; a callback, because only a callback may clear the field."""
    for name in st.session_state["import"]:
        get_context().jobs.submit_import(name)
    st.session_state["import"] = []


def _card(slide: SlideRow) -> None:
    thumbnail(slide)
    st.markdown(f"##### {plain(slide.name)}", anchors=False)
    sample_note(slide)
    show_tags_and_note(slide)
    vendor = plain(slide.vendor + image_text(slide))
    st.markdown(f"{size_text(slide)} · {vendor} · {pixel_size_text(slide)}")
    st.caption(f"Added {time_text(slide.created_at)} · {slide.size_bytes / 1e6:,.1f} MB")
    warn_of_personal_name(slide)
    with st.container(horizontal=True, vertical_alignment="center"):
        _actions(slide)


def _actions(slide: SlideRow) -> None:
    if slide.mpp is None:
        with st.popover("Enter the pixel size", type="primary"):
            ask_pixel_size(slide)
    else:
        _predict_link(slide)
    look: dict[str, Any] = {"type": "tertiary"}
    if st.button("Edit", key=f"edit-{slide.id}", icon=":material/edit:", **look):
        describe(slide)
    if st.button("Delete", key=f"delete-{slide.id}", icon=":material/delete:", **look):
        _confirm_delete(slide)


def _predict_link(slide: SlideRow) -> None:
    st.page_link(
        "predict.py",
        label="Predict",
        icon=":material/play_circle:",
        query_params={"slide": slide.id},
    )


def _predict_all(slide_ids: list[str], which: str) -> None:
    label = f"Predict {len(slide_ids)} {which} slides"
    if st.button(label, icon=":material/playlist_play:", type="tertiary", key=f"all-{which}"):
        st.session_state["batch"] = slide_ids
        st.switch_page("batch.py")


@st.dialog("Delete this slide?")
@guarded
def _confirm_delete(slide: SlideRow) -> None:
    st.markdown(f"This permanently deletes {plain(slide.name)} and its file in the store.")
    if st.button("Delete the slide", type="primary"):
        get_context().catalog.delete_slide(slide.id)
        st.rerun()


slides()
