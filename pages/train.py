"""Train: one's own sections in, checked; live curves; a model package with its card out."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from histospace_core.catalog import Kind, SlideRow
from histospace_core.errors import CohortError
from histospace_core.server import get_context
from histospace_core.training.build import TRAINABLE
from histospace_core.web.train.cohort import HeldOut, Member, held_out, require_sound, write_cohort
from histospace_core.web.train.cohort_editor import bring_measurement, cohort_editor
from histospace_core.web.train.results import show_training, training_title
from histospace_core.web.train.section_check import SectionCheck, check_section
from histospace_core.web.widgets.parts import empty_state, guarded, plain, state_badge


@guarded
def train() -> None:
    """Show a run if the URL names one, else the form for a new one and the latest runs."""
    st.title("Train")
    run_id = st.query_params.get("run")
    if run_id:
        show_training(get_context().catalog.run(run_id))
        return
    st.markdown(
        "Train a model on your own sections: slides with measured spatial transcriptomics. It is "
        "scored on patients that it has not seen, and packed with its card. Nothing leaves this "
        "machine."
    )
    _new()
    _latest()


def _new() -> None:
    slides = sorted(get_context().catalog.slides(), key=lambda slide: slide.name)
    if not slides:
        empty_state(
            "Training needs slides with measured expression; there is no slide yet.",
            "slides.py",
            "Upload a slide",
        )
        return
    st.subheader("1 · Sections", anchor=False)
    members = cohort_editor(slides)
    st.page_link("slides.py", label="Upload another slide", icon=":material/upload:")
    bring_measurement(slides)
    st.subheader("2 · Check", anchor=False)
    plan = _checked(members)
    if plan is not None:
        st.subheader("3 · Train", anchor=False)
        _start(members, plan)


@guarded
def _checks(members: Sequence[Member]) -> None:
    """Look at the files of every section, and note what was looked at."""
    bar = st.progress(0.0, "Looking at the sections…")
    for done, member in enumerate(members, start=1):
        _cached_check(*_looked_at(member.slide))
        bar.progress(done / len(members), f"{plain(member.section)} is looked at")
    bar.empty()
    st.session_state["cohort-checked"] = [_looked_at(member.slide) for member in members]


@st.cache_data(show_spinner=False, max_entries=200)
def _cached_check(slide_id: str, _mpp: str, _counts: str, _spots: str) -> SectionCheck:
    return check_section(get_context().catalog.slide(slide_id))


def _looked_at(slide: SlideRow) -> tuple[str, ...]:
    return slide.id, str(slide.mpp), str(slide.counts_path), str(slide.spots_path)


def _checked(members: Sequence[Member]) -> HeldOut | None:
    """Let the user check the cohort; None until it is sound."""
    st.caption(
        "Pixel sizes, spots on tissue, genes in common, and that no patient or measurement can be "
        "on both sides of a score."
    )
    if st.button("Check the cohort", icon=":material/rule:", disabled=not members):
        _checks(members)
    known = st.session_state.get("cohort-checked", [])
    if not members or any(_looked_at(member.slide) not in known for member in members):
        if not members:
            st.info("No section is chosen: tick at least one above.")
        return None
    checks = {member.slide.id: _cached_check(*_looked_at(member.slide)) for member in members}
    _check_table(members, checks)
    try:
        require_sound(members, checks)
    except CohortError as error:
        st.error(plain(error))
        return None
    plan = held_out(members)
    if plan.by == "patient":
        st.success(plain(plan.sentence), icon=":material/check:")
    else:
        st.warning(plain(plan.sentence))
    return plan


def _check_table(members: Sequence[Member], checks: dict[str, SectionCheck]) -> None:
    rows = [(member, checks[member.slide.id]) for member in members]
    table = pd.DataFrame(
        {
            "section": [m.section for m, _ in rows],
            "patient": [m.patient for m, _ in rows],
            "verdict": [c.verdict or "not usable" for _, c in rows],
            "spots": [c.n_spots for _, c in rows],
            "genes": [len(c.genes) for _, c in rows],
            "on tissue": [c.on_tissue * 100 for _, c in rows],
            "spacing": [c.spacing_um for _, c in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "on tissue": st.column_config.NumberColumn(format="%.0f %%"),
            "spacing": st.column_config.NumberColumn(
                "spot distance, µm",
                format="%.0f",
                help="About 100 for Visium and 200 for the older arrays. Far from it, the pixel "
                "size is wrong.",
            ),
        },
    )
    for member, check in rows:
        if check.verdict != "aligned":
            name = plain(member.section)
            st.markdown(f":material/warning: **{name}**: {plain(check.problem or check.note)}")


@guarded
def _start(members: Sequence[Member], plan: HeldOut) -> None:
    context = get_context()
    left, right = st.columns(2)
    network = left.selectbox("Network", TRAINABLE)
    name = right.text_input("Name of the new model", placeholder="for example breast-2024")
    epochs = left.number_input(
        "Epochs", 1, 2000, value=None, placeholder="as the network's recipe says"
    )
    device = right.selectbox("Compute on", ["auto", "cpu", "cuda"])
    st.caption(
        f"{plan.n_folds + 1} trainings in turn: one for each {plan.by} held out, and one on all "
        "sections, which becomes the model."
        if plan.n_folds
        else "One training, on the only section."
    )
    with st.container(horizontal=True):
        trains = st.button("Train", type="primary", icon=":material/play_arrow:")
        scores = st.button(
            "Only score, keep no model",
            disabled=not plan.n_folds,
            help="A cross-validation, for the page Evaluation.",
        )
    if not (trains or scores):
        return
    table = write_cohort(context.settings.store / "cohorts", members)
    changes = {} if epochs is None else {"epochs": epochs}
    if trains:
        if not name.strip():
            raise CohortError("The new model needs a name: give it one above.")
        run_id = context.jobs.submit_training(
            table, network, name=name.strip(), device=device, **changes
        )
    else:
        run_id = context.jobs.submit_evaluation(
            table, network, folds=plan.by, device=device, **changes
        )
    st.query_params["run"] = run_id
    st.rerun()


def _latest() -> None:
    runs = get_context().catalog.runs(kinds=[Kind.TRAIN, Kind.EVALUATE], limit=6)
    if not runs:
        return
    st.subheader("Latest", anchor=False)
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link("train.py", label=plain(training_title(run)), query_params={"run": run.id})
            state_badge(run)


train()
