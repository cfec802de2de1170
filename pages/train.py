"""Train: choose and check sections, follow the training, get a model package."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from histospace_core.catalog import SlideRow
from histospace_core.errors import CohortError, HistospaceError
from histospace_core.server import get_context
from histospace_core.training.cohort import Section
from histospace_core.training.cohort_check import check_section
from histospace_core.training.findings import Finding
from histospace_core.training.registry import TRAINABLE
from histospace_core.training.section_facts import section_facts
from histospace_core.web.train.cohort import (
    Member,
    ScoringPlan,
    check_members,
    scoring_plan,
    sections_of,
    write_cohort,
)
from histospace_core.web.train.cohort_editor import attach_measurement, cohort_editor
from histospace_core.web.train.results import KIND_TITLES, show_training, training_title
from histospace_core.web.widgets.parts import empty_state, guarded, plain, state_badge
from histospace_core.web.widgets.run_progress import progress_bar


@guarded
def train() -> None:
    """Show a run if the URL names one, else the form for a new one and the latest runs."""
    st.title("Train")
    run_id = st.query_params.get("run")
    if run_id:
        show_training(get_context().catalog.run(run_id))
        return
    st.markdown(
        "Train a model on your own sections: slides with measured expression. The model is scored "
        "on held-out patients and packaged with its model card. Nothing leaves this machine."
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
    attach_measurement(slides)
    st.subheader("2 · Check", anchor=False)
    if _check(members):
        st.subheader("3 · Train", anchor=False)
        _start(sections_of(members))


@guarded
def _read_sections(members: Sequence[Member]) -> None:
    """Read the files of every section, and remember which slides were read."""
    sections = sections_of(members)
    with progress_bar("Reading the sections…") as bar:
        for done, section in enumerate(sections, start=1):
            check_section(section)  # caches the facts that `check_members` needs
            bar.progress(done / len(sections), f"Read {plain(section.name)}")
    st.session_state["cohort-read"] = [_files(member.slide) for member in members]


def _files(slide: SlideRow) -> tuple[str, ...]:
    files = str(slide.counts_path), str(slide.spots_path)
    return slide.id, str(slide.mpp), *files, str(slide.choice)


def _check(members: Sequence[Member]) -> bool:
    """Let the user check the cohort; show the findings, and return whether it can be used."""
    st.caption(
        "The check covers pixel sizes, spots on tissue and shared genes. It also makes sure that "
        "no patient or measurement is used for both training and scoring."
    )
    if st.button("Check the cohort", icon=":material/rule:", disabled=not members):
        _read_sections(members)
    if not members:
        st.info("No section is selected: tick at least one above.")
        return False
    read = st.session_state.get("cohort-read", [])
    # A slide whose pixel size or measurement has changed must be read again first.
    if any(_files(member.slide) not in read for member in members):
        return False
    _facts_table(members)
    findings = check_members(members)
    for finding in findings:
        _show_finding(finding)
    return not any(finding.severity == "error" for finding in findings)


def _show_finding(finding: Finding) -> None:
    if finding.severity == "error":
        st.error(plain(finding.message))
    else:
        st.warning(plain(finding.message))


def _facts_table(members: Sequence[Member]) -> None:
    rows = []
    for section in sections_of(members):
        row: dict[str, object] = {
            "section": section.name,
            "patient": section.patient,
            "verdict": "not usable",
        }
        try:
            facts = section_facts(section)
        except HistospaceError:  # reported as a finding
            rows.append(row)
            continue
        figures = {
            "verdict": facts.alignment.verdict,
            "spots": facts.n_spots,
            "genes": len(facts.genes),
            "on tissue": facts.alignment.on_tissue * 100,
            "spacing": facts.pitch_um,
        }
        rows.append(row | figures)
    columns = ["section", "patient", "verdict", "spots", "genes", "on tissue", "spacing"]
    table = pd.DataFrame(rows, columns=columns)
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "on tissue": st.column_config.NumberColumn(format="%.0f %%"),
            "spacing": st.column_config.NumberColumn(
                "spot distance, µm",
                format="%.0f",
                help="About 100 for Visium and 200 for older arrays. If it differs a lot, the "
                "pixel size is wrong.",
            ),
        },
    )


def _show_plan(plan: ScoringPlan) -> None:
    if plan.by == "patient":
        st.success(plain(plan.sentence), icon=":material/check:")
    else:
        st.warning(plain(plan.sentence))


@guarded
def _start(sections: Sequence[Section]) -> None:
    context = get_context()
    plan = scoring_plan(sections)
    _show_plan(plan)
    left, right = st.columns(2)
    network = left.selectbox("Network", TRAINABLE)
    name = right.text_input("Name of the new model", placeholder="for example breast-2024")
    epochs = left.number_input("Epochs", 1, 2000, value=None, placeholder="the network's default")
    device = right.selectbox("Compute on", ["auto", "cpu", "cuda"])
    st.caption(
        f"{plan.n_folds + 1} trainings, one after another: one for each held-out {plan.by}, then "
        "one on all sections, which gives the model."
        if plan.n_folds
        else "One training, on the only section."
    )
    with st.container(horizontal=True):
        trains = st.button("Train", type="primary", icon=":material/play_arrow:")
        scores = st.button(
            "Evaluate only, keep no model",
            disabled=not plan.n_folds,
            help="Runs a cross-validation, shown on the Evaluation page.",
        )
    if not (trains or scores):
        return
    table = write_cohort(context.settings.store / "cohorts", sections)
    changes: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    if trains:
        if not name.strip():
            raise CohortError("The new model needs a name: enter one above.")
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
    runs = get_context().catalog.runs(kinds=[*KIND_TITLES], limit=6)
    if not runs:
        return
    st.subheader("Latest runs", anchor=False)
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link("train.py", label=plain(training_title(run)), query_params={"run": run.id})
            state_badge(run)


train()
