"""Shared by the lists of slides and runs: search, pages, tags, notes and progress."""

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

from histospace_core.catalog import Kind, RunRow, SlideRow, State
from histospace_core.catalog.names import suffix
from histospace_core.catalog.privacy import find_identifier
from histospace_core.catalog.tags import LONGEST_NOTE, LONGEST_TAG
from histospace_core.server.context import get_context
from histospace_core.web.widgets.parts import guarded, plain, run_text, state_badge

RESULT_PAGES = {
    "predict": "gene_map.py",
    "characterise": "characterise.py",
    "export": "export.py",
    "evaluate": "scores.py",
}
"""Kind of run -> the page that shows its result."""
PROGRESS_PAGES = {
    "predict": "predict.py",
    "characterise": "characterise.py",
    "export": "export.py",
    "import": "slides.py",
    "train": "train.py",
    "evaluate": "train.py",
    "adapt": "train.py",
}
"""Kind of run -> the page that shows its progress."""
MAX_SHOWN = 30
Row = TypeVar("Row", SlideRow, RunRow)


def search_bar(table: type[SlideRow] | type[RunRow], hint: str) -> tuple[str, list[str]]:
    """Show the search fields for text and tags, and sync them to the URL."""
    known = get_context().catalog.tags(table)
    text, tags = (f"{name}-{table.__tablename__}" for name in ("find", "tag"))
    if text not in st.session_state:  # a new visit starts from the URL
        st.session_state[text] = st.query_params.get("find", "")
        st.session_state[tags] = st.query_params.get_all("tag")
    # Streamlit refuses a selected tag that is no longer an option.
    st.session_state[tags] = [tag for tag in st.session_state[tags] if tag in known]
    words, tagged = st.columns([3, 2]) if known else (st.container(), None)
    sought = words.text_input("Find", placeholder=hint, icon=":material/search:", key=text)
    wanted = (
        tagged.multiselect("Tags", known, placeholder="any of them", key=tags) if tagged else []
    )
    for name, value in (("find", sought), ("tag", wanted)):
        if value:
            st.query_params[name] = value
        else:
            st.query_params.pop(name, None)
    return sought, wanted


def current_page(rows: Sequence[Row], per_page: int) -> Sequence[Row]:
    """Let the user choose a page of the list, and return its rows."""
    pages = max(1, -(-len(rows) // per_page))
    page = st.number_input(f"Page of {pages}", 1, pages, width=140) if pages > 1 else 1
    return rows[(page - 1) * per_page : page * per_page]


def show_tags_and_note(row: SlideRow | RunRow) -> None:
    """Show the tags and the note of a slide or run, if it has any."""
    if row.tags:
        with st.container(horizontal=True, gap="small"):
            for tag in row.tags:
                st.badge(plain(tag), icon=":material/label:", color="gray")
    if row.note:
        st.caption(plain(row.note))


@st.dialog("Edit")
@guarded
def describe(row: SlideRow | RunRow) -> None:
    """Let the user edit the tags and note of a slide or run, and the name of a slide."""
    if isinstance(row, RunRow):
        st.caption(plain(run_text(row)))
    catalog = get_context().catalog
    name = st.text_input("Name", row.name) if isinstance(row, SlideRow) else ""
    known = sorted({*catalog.tags(type(row)), *row.tags}, key=str.casefold)
    tags = st.multiselect(
        "Tags",
        known,
        default=list(row.tags),
        placeholder="choose" if known else "none yet",
    )
    # A separate field: text typed into the list above is lost unless the user presses Enter.
    new = st.text_input(
        "New tags, separated by commas", help=f"Up to {LONGEST_TAG} characters each."
    ).split(",")
    tags = [*tags, *new]
    note = st.text_area("Note", row.note, max_chars=LONGEST_NOTE)
    if st.button("Save", type="primary"):
        if isinstance(row, SlideRow):
            if name.strip() and name != row.name:
                catalog.rename_slide(row.id, name)
            catalog.describe_slide(row.id, tags=tags, note=note)
        else:
            catalog.describe_run(row.id, tags=tags, note=note)
        st.rerun()


def warn_of_personal_name(slide: SlideRow) -> None:
    """Warn if a slide's name may identify the patient, and offer a neutral name."""
    found = None if slide.is_sample else find_identifier(slide.name)
    if found is None:
        return
    what, part = found
    st.warning(
        f"The name seems to contain {what} ({plain(part)}): screens and exports would show it.",
        icon=":material/person_alert:",
    )
    neutral = f"slide {slide.sha256[:6]}{suffix(slide.name)}"
    if st.button(f"Rename to {neutral}", key=f"rename-{slide.id}"):
        get_context().catalog.rename_slide(slide.id, neutral)
        st.rerun()


@st.fragment(run_every=2.0)
@guarded
def watch(run_ids: Sequence[str]) -> None:
    """Show the progress of runs every two seconds, from the catalog: a reload loses nothing.

    Runs that end meanwhile stay in the list, with a link to their result.
    """
    runs = get_context().catalog.runs_by_id(run_ids)
    ended = sum(not run.is_active for run in runs)
    done = sum(run.state == State.DONE for run in runs)
    failed = f", {ended - done} stopped" if ended > done else ""
    st.markdown(f"**In progress: {done} of {len(runs)} done{failed}**")
    if ended == len(runs) and st.button("Update the list below", icon=":material/refresh:"):
        st.rerun()  # not automatic: it would close an open dialog
    for run in runs[:MAX_SHOWN]:
        _progress_row(run)
    if len(runs) > MAX_SHOWN:
        st.caption(f"and {len(runs) - MAX_SHOWN} more are waiting")


def _progress_row(run: RunRow) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(run)
        shown = {"run": run.parent_id or run.id}
        if run.is_active:
            said = f"{run_text(run)}: {run.stage or run.state}"
            st.progress(run.progress, plain(said), width="stretch")
            if run.kind != Kind.IMPORT:
                page = PROGRESS_PAGES[run.kind]
                st.page_link(page, label="Watch", icon=":material/visibility:", query_params=shown)
            if run.state != State.CANCELLING and st.button(
                "Cancel", key=f"stop-{run.id}", type="tertiary", icon=":material/stop:"
            ):
                get_context().jobs.cancel(run.id)
                st.rerun(scope="fragment")
            return
        st.markdown(plain(run_text(run)))
        if run.error:
            st.markdown(plain(run.error))
        elif run.state == State.DONE and run.kind in RESULT_PAGES:
            st.page_link(RESULT_PAGES[run.kind], label="Open", query_params=shown)
