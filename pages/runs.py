"""Runs: find, open, compare, resume, repeat, edit and delete runs."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from histospace_core.catalog import Kind, RunRow, State
from histospace_core.server import get_context
from histospace_core.web.library.listing import (
    PROGRESS_PAGES,
    current_page,
    describe,
    search_bar,
    show_tags_and_note,
    watch,
)
from histospace_core.web.widgets.parts import (
    duration_text,
    empty_state,
    guarded,
    plain,
    run_text,
    state_badge,
    thumbnail,
    time_text,
)

PER_PAGE = 10
RESUMABLE = (State.INTERRUPTED, State.CANCELLED, State.FAILED)


@guarded
def runs() -> None:
    """Show the active runs, then the other runs that match the filters, ten per page."""
    st.title("Runs")
    catalog = get_context().catalog
    if not catalog.runs(limit=1):
        empty_state("There is no run yet.", "predict.py", "Start a prediction")
        return
    found = _filtered()
    active = [run.id for run in found if run.is_active]
    if active:
        watch(active)
    st.caption(f"{len(found)} run{'' if len(found) == 1 else 's'}")
    comparable = _slides_with_two_predictions()
    for run in current_page([run for run in found if not run.is_active], PER_PAGE):
        _card(run, run.slide_id in comparable)


def _filtered() -> Sequence[RunRow]:
    catalog = get_context().catalog
    slides = {slide.id: slide.name for slide in catalog.slides()}
    text, tags = search_bar(RunRow, "slide, model, tag, note or error")
    states, kinds, slide, model = st.columns(4)
    return catalog.runs(
        text=text,
        tags=tags,
        kinds=kinds.multiselect("Kind", [kind.value for kind in Kind], placeholder="any"),
        states=states.multiselect("State", [state.value for state in State], placeholder="any"),
        slide_id=slide.selectbox(
            "Slide", list(slides), index=None, format_func=slides.__getitem__, placeholder="any"
        ),
        model_name=model.selectbox(
            "Model", sorted({run.model_name for run in catalog.runs()} - {""}), index=None,
            placeholder="any",
        ),
    )  # fmt: skip


def _slides_with_two_predictions() -> set[str]:
    """Return the ids of slides that have at least two finished predictions."""
    done = get_context().catalog.runs(kinds=[Kind.PREDICT], states=[State.DONE])
    counts = Counter(run.slide_id for run in done)
    return {slide_id for slide_id, n in counts.items() if slide_id and n > 1}


def _card(run: RunRow, can_compare: bool) -> None:
    with st.container(border=True):
        picture, facts = st.columns([1, 5])
        if run.slide is not None:
            with picture:
                thumbnail(run.slide)
        with facts:
            with st.container(horizontal=True, vertical_alignment="center"):
                state_badge(run)
                st.markdown(f"**{plain(run_text(run))}**")
            st.caption(plain(_facts(run)))
            show_tags_and_note(run)
            if run.error:
                st.error(plain(run.error))
            with st.container(horizontal=True, vertical_alignment="center"):
                _actions(run, can_compare)


def _facts(run: RunRow) -> str:
    facts = [run.kind, f"run {run.id[:8]}"]
    # once a run is done, only a number of tiles still means something
    if run.total and (run.kind == Kind.PREDICT or run.state != State.DONE):
        facts.append(f"{run.done:,} of {run.total:,} done")
    if run.seconds:
        facts.append(f"took {duration_text(run.seconds)}")
    if run.settings.get("stain", "none") != "none":
        facts.append(f"stain {run.settings['stain']}")
    if not run.settings.get("icc", True):
        facts.append("colour profile not used")
    if run.settings.get("stride_um"):
        facts.append(f"stride {run.settings['stride_um']:g} µm")
    if run.finished_at:
        facts.append(f"ended {time_text(run.finished_at)}")
    return " · ".join(facts)


def _actions(run: RunRow, can_compare: bool) -> None:
    link: dict[str, Any] = {"query_params": {"run": run.id}}
    if run.kind == "predict" and run.state == State.DONE:
        st.page_link("gene_map.py", label="Gene map", icon=":material/grid_on:", **link)
        st.page_link("compare.py", label="Compare", icon=":material/compare:", **link)
        st.page_link("characterise.py", label="Characterise", icon=":material/category:", **link)
        st.page_link("export.py", label="Export", icon=":material/download:", **link)
        if can_compare:
            st.page_link("two_runs.py", label="Two runs", icon=":material/difference:", **link)
    if run.parent_id:
        link = {"query_params": {"run": run.parent_id, "result": run.id}}
    if run.kind == "characterise" and run.state == State.DONE:
        st.page_link("characterise.py", label="Open", icon=":material/category:", **link)
    if run.kind == "export" and run.state == State.DONE:
        st.page_link("export.py", label="Download", icon=":material/download:", **link)
    if run.kind == "evaluate" and run.state == State.DONE:
        st.page_link("scores.py", label="Scores", icon=":material/leaderboard:", **link)
    if run.state in RESUMABLE:
        _button(run, "Resume", ":material/resume:", _resume)
    elif run.kind == "predict" and run.slide_id:
        _button(run, "Run again", ":material/refresh:", _run_again)
    _button(run, "Edit", ":material/edit:", describe)
    _button(run, "Delete", ":material/delete:", _confirm_delete)


def _button(run: RunRow, label: str, icon: str, action: object) -> None:
    if st.button(label, key=f"{label}-{run.id}", icon=icon, type="tertiary"):
        action(run)  # type: ignore[operator]


def _resume(run: RunRow) -> None:
    get_context().jobs.resume(run.id)
    st.switch_page(PROGRESS_PAGES[run.kind], query_params={"run": run.parent_id or run.id})


def _run_again(run: RunRow) -> None:
    """Queue a new run with the same slide, model and settings; the old run is kept."""
    run_id = get_context().jobs.submit_prediction(str(run.slide_id), run.model_name, **run.settings)
    st.switch_page("predict.py", query_params={"run": run_id})


@st.dialog("Delete this run?")
@guarded
def _confirm_delete(run: RunRow) -> None:
    st.markdown(
        f"This permanently deletes {plain(run_text(run))} with its maps, comparisons, "
        "characterisations and files."
    )
    if st.button("Delete the run", type="primary"):
        get_context().catalog.delete_run(run.id)
        st.rerun()


runs()
