"""Live progress of a run, and the state of a stopped one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from histospace_core.catalog import RunRow, State
from histospace_core.server.context import get_context
from histospace_core.web.widgets.parts import guarded, plain


def live_progress(run: RunRow, initial_text: str, details: str, location: str) -> None:
    """Show the progress of a run and let the user cancel it; call it inside a fragment.

    Parameters
    ----------
    initial_text
        Shown until the run reports its first stage.
    details
        Appended to the stage.
    location
        Where the user finds the run again.
    """
    words = {State.QUEUED: "waiting for a worker", State.CANCELLING: "stopping"}
    st.progress(
        run.progress, plain(words.get(State(run.state), run.stage or initial_text)) + details
    )
    st.caption(f"You may close this page: the run continues and is listed {location}.")
    if st.button("Cancel", icon=":material/stop:", disabled=run.state == State.CANCELLING):
        get_context().jobs.cancel(run.id)
        st.rerun(scope="fragment")


@st.fragment(run_every=1.0)
@guarded
def live_run(
    run_id: str, initial_text: str, details: Callable[[RunRow], str] = lambda run: ""
) -> None:
    """Show progress every second, read from the catalog, so that a reload loses nothing."""
    run = get_context().catalog.run(run_id)
    if not run.is_active:
        st.rerun()  # the whole page, which then shows the result
    live_progress(run, initial_text, details(run), "under Runs")


def show_stopped_run(run: RunRow) -> None:
    """Say why a run ended without a result, and let the user resume it."""
    if run.error:
        st.error(plain(run.error))
    elif run.state == State.INTERRUPTED:
        st.warning("This run was interrupted before it finished; it can resume where it stopped.")
    else:
        st.info("This run was cancelled.")
    if st.button("Resume", type="primary", icon=":material/resume:"):
        get_context().jobs.resume(run.id)
        st.rerun()


@contextmanager
def progress_bar(said: str) -> Iterator[DeltaGenerator]:
    """Show a progress bar while the block runs, and not beside the error that ends it."""
    bar = st.progress(0.0, said)
    try:
        yield bar
    finally:
        bar.empty()
