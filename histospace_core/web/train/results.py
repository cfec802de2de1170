"""A training or evaluation run: its progress, loss curves and result."""

from functools import partial
from itertools import cycle

import streamlit as st

from histospace_core.catalog import Kind, RunRow, State
from histospace_core.catalog.records import AdaptRecord, TrainRecord
from histospace_core.catalog.tables import utc_now
from histospace_core.errors import JobError
from histospace_core.figures.training import loss_curves
from histospace_core.networks import load_package
from histospace_core.progress import time_left
from histospace_core.server.context import get_context
from histospace_core.training.loss_log import read_losses
from histospace_core.web.library.model_cards import package_zip, score_warning
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.parts import (
    CHART_CONFIG,
    duration_text,
    guarded,
    model_card,
    plain,
    state_badge,
    time_text,
)
from histospace_core.web.widgets.run_progress import live_progress, show_stopped_run

KIND_TITLES = {Kind.TRAIN: "Training", Kind.EVALUATE: "Evaluation", Kind.ADAPT: "Adaptation"}


def training_title(run: RunRow) -> str:
    """Return the one-line title of a training, evaluation or adaptation, as plain text."""
    name = run.settings.get("name") or run.model_name
    return f"{KIND_TITLES[Kind(run.kind)]} of {name} · {time_text(run.created_at)}"


def show_training(run: RunRow) -> None:
    """Show the state, the loss curves and the result of a training, evaluation or adaptation."""
    if run.kind not in KIND_TITLES:
        raise JobError("This run is not a training, evaluation or adaptation: find it under Runs.")
    st.markdown(f"**{plain(training_title(run))}**")
    if run.is_active:
        _live(run.id)
    else:
        state_badge(run)
        if run.state == State.DONE:
            _done(run)
        else:
            show_stopped_run(run)
        _curves(run)
    st.page_link("train.py", label="New training", icon=":material/add:")


@st.fragment(run_every=2.0)
@guarded
def _live(run_id: str) -> None:
    """Show progress and curves, read from catalog and run folder: a reload loses nothing."""
    run = get_context().catalog.run(run_id)
    if not run.is_active:
        st.rerun()  # the whole page, which then shows the result
    live_progress(run, "reading the sections", _time_left(run), "below the form on Train")
    _curves(run)


def _time_left(run: RunRow) -> str:
    """Return an estimate of the time left; "" at the very start or for a resumed run."""
    # Below 3 % the estimate is noise; a resumed run did part of its work before `started_at`.
    if run.started_at is None or run.attempt > 1 or not 0.03 < run.progress < 1:
        return ""
    spent = (utc_now() - run.started_at).total_seconds()
    return f" · {time_left(spent * (1 / run.progress - 1))}"


def _curves(run: RunRow) -> None:
    points = read_losses(run.directory)
    if points.empty:
        return
    stages = list(dict.fromkeys(points["stage"]))
    columns = st.columns(min(2, len(stages)), gap="medium")
    for stage, place in zip(stages, cycle(columns), strict=False):
        place.markdown(f"**Loss of the {plain(stage)}**")
        mine = points[points["stage"] == stage]
        last = mine.iloc[-1]
        place.plotly_chart(
            loss_curves(mine),
            key=f"loss-{stage}-{run.id}",
            config=CHART_CONFIG,
            alt=f"Loss of the {stage}, by epoch; the latest is {last['loss']:.4f}",
        )


def _done(run: RunRow) -> None:
    took = duration_text(run.seconds)
    st.success(f"Done in {took}.", icon=":material/check:")
    record = run.record
    if not isinstance(record, TrainRecord | AdaptRecord):
        st.page_link(
            "scores.py",
            label="See the scores",
            icon=":material/analytics:",
            query_params={"evaluation": run.id},
        )
        return
    row = get_context().catalog.model(record.model)
    link = {"model": row.name}
    model_card(row)
    if warning := score_warning(row):
        st.warning(plain(warning))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Predict with it", type="primary", icon=":material/play_circle:"):
            st.switch_page("predict.py", query_params=link)
        package = load_package(row.folder)
        download("Model package as zip", partial(package_zip, package), row.name, suffix=".zip")
        st.page_link(
            "models.py", label="Model card and genes", icon=":material/badge:", query_params=link
        )
