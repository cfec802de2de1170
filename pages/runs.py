"""Runs: find again, open, resume, repeat, delete."""

from collections.abc import Sequence

import streamlit as st

from histospace_core.catalog import RunRow, State
from histospace_core.web import get_context
from histospace_core.web.parts import (
    duration_text,
    empty_state,
    guarded,
    plain,
    run_text,
    state_badge,
    when,
)

PER_PAGE = 10
WITHIN = ("characterise", "export")
"""Kinds of runs that belong to a prediction."""
PAGES = {"predict": "predict.py", "characterise": "characterise.py", "export": "export.py"}
RESUMABLE = (State.INTERRUPTED, State.CANCELLED, State.FAILED)


@guarded
def runs() -> None:
    """List the runs that pass the filters, ten at a time."""
    st.title("Runs")
    catalog = get_context().catalog
    if not catalog.runs(limit=1):
        empty_state("There is no run yet.", "predict.py", "Start a prediction")
        return
    found = _filtered()
    pages = max(1, -(-len(found) // PER_PAGE))
    page = 1
    if pages > 1:
        page = st.number_input(f"Page of {pages}", 1, pages, width=140)
    st.caption(f"{len(found)} runs")
    for run in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
        _card(run)


def _filtered() -> Sequence[RunRow]:
    catalog = get_context().catalog
    slides = {slide.id: slide.name for slide in catalog.slides()}
    text, states, slide, model = st.columns([2, 2, 2, 2])
    return catalog.runs(
        text=text.text_input("Find", placeholder="slide, model, note or error"),
        states=states.multiselect("State", [state.value for state in State], placeholder="any"),
        slide_id=slide.selectbox(
            "Slide", list(slides), index=None, format_func=slides.__getitem__, placeholder="any"
        ),
        model_name=model.selectbox(
            "Model", sorted({run.model_name for run in catalog.runs()}), index=None,
            placeholder="any",
        ),
    )  # fmt: skip


def _card(run: RunRow) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            state_badge(run)
            st.markdown(f"**{plain(run_text(run))}**")
        st.caption(plain(_facts(run)))
        if run.error:
            st.error(plain(run.error))
        if run.is_active:
            st.progress(run.progress, plain(run.stage or run.state))
        with st.container(horizontal=True, vertical_alignment="center"):
            _actions(run)


def _facts(run: RunRow) -> str:
    facts = [run.kind, f"run {run.id[:8]}"]
    if run.total:
        facts.append(f"{run.done:,} of {run.total:,} done")
    if run.timings.get("seconds"):
        facts.append(f"took {duration_text(float(run.timings['seconds']))}")
    if run.settings.get("stain", "none") != "none":
        facts.append(f"stain {run.settings['stain']}")
    if run.settings.get("stride_um"):
        facts.append(f"stride {run.settings['stride_um']:g} µm")
    if run.finished_at:
        facts.append(f"ended {when(run.finished_at)}")
    return " · ".join(facts)


def _actions(run: RunRow) -> None:
    link = {"query_params": {"run": run.id}}
    if run.kind == "predict" and run.state == State.DONE:
        st.page_link("gene_map.py", label="Gene map", icon=":material/grid_on:", **link)
        st.page_link("compare.py", label="Compare", icon=":material/compare:", **link)
        st.page_link("characterise.py", label="Characterise", icon=":material/category:", **link)
        st.page_link("export.py", label="Export", icon=":material/download:", **link)
    if run.kind in WITHIN:
        link = {"query_params": {"run": run.settings["run"], "result": run.id}}
    if run.kind == "characterise" and run.state == State.DONE:
        st.page_link("characterise.py", label="Open", icon=":material/category:", **link)
    if run.kind == "export" and run.state == State.DONE:
        st.page_link("export.py", label="Download", icon=":material/download:", **link)
    if run.kind == "evaluate" and run.state == State.DONE:
        st.page_link("scores.py", label="Scores", icon=":material/leaderboard:", **link)
    if run.is_active:
        st.page_link(_watched_on(run), label="Watch", icon=":material/visibility:", **link)
        _button(run, "Cancel", ":material/stop:", _cancel)
        return
    if run.state in RESUMABLE:
        _button(run, "Resume", ":material/resume:", _resume)
    elif run.kind == "predict" and run.slide_id:
        _button(run, "Run again", ":material/refresh:", _again)
    _button(run, "Delete", ":material/delete:", _confirm_delete)


def _watched_on(run: RunRow) -> str:
    """The page that shows a run's progress."""
    return PAGES.get(run.kind, "train.py")


def _button(run: RunRow, label: str, icon: str, action: object) -> None:
    if st.button(label, key=f"{label}-{run.id}", icon=icon, type="tertiary"):
        action(run)  # type: ignore[operator]


def _cancel(run: RunRow) -> None:
    get_context().jobs.cancel(run.id)
    st.rerun()


def _resume(run: RunRow) -> None:
    get_context().jobs.resume(run.id)
    shown = run.settings["run"] if run.kind in WITHIN else run.id
    st.switch_page(_watched_on(run), query_params={"run": shown})


def _again(run: RunRow) -> None:
    """Run the same slide, model and settings anew; the old run stays as it is."""
    run_id = get_context().jobs.submit_prediction(str(run.slide_id), run.model_name, **run.settings)
    st.switch_page("predict.py", query_params={"run": run_id})


@st.dialog("Delete this run?")
@guarded
def _confirm_delete(run: RunRow) -> None:
    st.markdown(f"{plain(run_text(run))}: its maps, comparisons, characterisations and files go.")
    if st.button("Delete the run", type="primary"):
        get_context().catalog.delete_run(run.id)
        st.rerun()


runs()
