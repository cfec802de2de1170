"""Ask which image of an uploaded or imported slide file is meant."""

from collections.abc import Sequence

import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.catalog.import_folder import images_of
from histospace_core.errors import SlideError
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
    later = "To use another one later, delete the slide and upload the file again."
    with st.container(border=True):
        image, use, cancel = _choice(upload.name, upload.images, later, upload.id)
        if cancel:
            get_context().uploads.close(upload)
            st.rerun()
        if use and image is not None:
            with st.spinner(f"Checking {plain(upload.name)}…"):
                slide = take_slide(get_context(), upload, image)
            if slide is not None:
                st.session_state.setdefault(_CHOSEN, {})[upload.id] = slide.id
            st.rerun()


@guarded
def show_failed_import(run: RunRow) -> None:
    """Show why an import failed; let the user choose an image if the file holds several."""
    context, name = get_context(), run.settings["file"]
    images = _images(run.id, name)
    with st.container(border=True):
        if images:
            later = "To use another one later, delete the slide and import the file again."
            image, use, cancel = _choice(name, images, later, run.id)
        else:
            st.error(plain(run.error))
            cancel, use, image = st.button("Dismiss", key=f"dismiss-{run.id}"), False, None
    if use and image is not None:
        context.jobs.submit_import(name, image)
    if use or cancel:
        context.catalog.delete_run(run.id)
        st.rerun()


@st.cache_data(max_entries=100, show_spinner="Reading the file…")
def _images(run_id: str, name: str) -> tuple[str, ...]:
    """Return the images of a file whose import failed; one run, whose file may change, each."""
    try:
        return images_of(get_context().settings, name)
    except (SlideError, OSError):
        return ()


def _choice(
    name: str, images: Sequence[str], later: str, key: str
) -> tuple[str | None, bool, bool]:
    """Return the chosen image, and whether it shall be used or the file be left."""
    # Not in the label: a screen reader would read out what `plain` escapes.
    st.markdown(f"**{plain(name)} holds {len(images)} images.**")
    image = st.selectbox(
        "Which image?", images, index=None, placeholder="Choose one", key=f"image-{key}"
    )
    st.caption(f"A slide is one image. {later}")
    with st.container(horizontal=True):
        use = st.button("Use this image", type="primary", disabled=image is None, key=f"use-{key}")
        cancel = st.button("Cancel", key=f"cancel-{key}")
    return image, use, cancel
