"""Ask which image of an uploaded slide file is meant."""

import streamlit as st

from histospace_core.server.context import get_context
from histospace_core.server.slide_uploads import take_slide
from histospace_core.server.uploads import Upload
from histospace_core.web.widgets.parts import guarded, plain

_CHOSEN = "chosen-images"  # id of the slide that an upload has become, by the upload's id


def slide_of(answer: dict[str, str]) -> str | None:
    """Return the id of the slide that an answer of `slide_uploader` has become, if it has."""
    chosen = st.session_state.get(_CHOSEN, {}).get(answer.get("upload_id"))
    return answer.get("slide_id") or chosen


@guarded
def ask_for_image(upload: Upload) -> None:
    """Let the user choose one of the images of an uploaded file, or remove the file."""
    with st.container(border=True):
        # Not in the label: a screen reader would read out what `plain` escapes.
        st.markdown(f"**{plain(upload.name)} holds {len(upload.images)} images.**")
        image = st.selectbox(
            "Which image?",
            upload.images,
            index=None,
            placeholder="Choose one",
            key=f"image-{upload.id}",
        )
        st.caption(
            "A slide is one image. To use another one later, delete the slide and upload the file "
            "again."
        )
        with st.container(horizontal=True):
            use = st.button(
                "Use this image", type="primary", disabled=image is None, key=f"use-{upload.id}"
            )
            if st.button("Cancel", key=f"cancel-{upload.id}"):
                get_context().uploads.close(upload)
                st.rerun()
        if use and image is not None:
            with st.spinner(f"Checking {plain(upload.name)}…"):
                slide = take_slide(get_context(), upload, image)
            if slide is not None:
                st.session_state.setdefault(_CHOSEN, {})[upload.id] = slide.id
            st.rerun()
