"""Fields of the Train page: sections, their patients and their measured expression."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from histospace_core.catalog import SlideRow
from histospace_core.errors import MeasurementError, shown_as
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.server.context import get_context
from histospace_core.server.measured_files import measured_file
from histospace_core.training.cohort import Section
from histospace_core.training.cohort_check import check_spots
from histospace_core.training.findings import require_sound
from histospace_core.training.section_facts import section_facts
from histospace_core.web.train.cohort import Member, suggest_section_name
from histospace_core.web.widgets.measured_choice import asking, measured_choice
from histospace_core.web.widgets.parts import guarded, plain
from histospace_core.web.widgets.uploader import measured_uploader

_ENTRIES = "cohort-entries"  # what the user has typed, by slide id
# The table that the editor was opened with. It must stay the same between reruns, because Streamlit
# applies the user's edits to it anew each time.
_TABLE = "cohort-table"
_ATTACHED = "cohort-attached"  # verdict and sentence of the latest attachment


def cohort_editor(slides: Sequence[SlideRow]) -> list[Member]:
    """Let the user choose slides to train on, and name the section and patient of each.

    Entries survive a visit to another page.
    """
    key = f"cohort-{hash(tuple((s.id, s.mpp, s.counts_path) for s in slides))}"
    if key not in st.session_state:  # a new visit, or the slides have changed
        st.session_state[_TABLE] = _table(slides, st.session_state.get(_ENTRIES, {}))
    edited = st.data_editor(
        st.session_state[_TABLE],
        key=key,
        hide_index=True,
        disabled=["slide", "mpp", "measured"],
        column_config={
            "use": st.column_config.CheckboxColumn("train on", width="small"),
            "section": st.column_config.TextColumn(
                max_chars=40, help="The section's name in the scores."
            ),
            "patient": st.column_config.TextColumn(
                max_chars=40,
                help="A pseudonym, the same for all sections of a patient: they are held out "
                "together, so that no model is scored on a patient it was trained on.",
            ),
            "mpp": st.column_config.NumberColumn("µm per px", format="%.4g"),
            "measured": st.column_config.TextColumn("measured expression"),
        },
    )
    st.session_state[_ENTRIES] = edited[["use", "section", "patient"]].to_dict("index")
    by_id = {slide.id: slide for slide in slides}
    return [
        Member(by_id[str(row.Index)], _text(row.section), _text(row.patient))
        for row in edited.itertuples()
        if row.use
    ]


def _table(slides: Sequence[SlideRow], entries: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per slide: its earlier entries, else suggestions."""
    rows = []
    for slide in slides:
        before = entries.get(slide.id, {})
        trainable = slide.mpp is not None and slide.counts_path is not None
        rows.append(
            {
                "use": bool(before.get("use", trainable)),
                "section": before.get("section") or suggest_section_name(slide.name),
                "patient": before.get("patient") or "",
                "slide": slide.name,
                "mpp": slide.mpp,
                "measured": "attached" if slide.counts_path else "none yet",
            }
        )
    return pd.DataFrame(rows, index=[slide.id for slide in slides])


def _text(value: object) -> str:
    """Return the text of a cell with single spaces; the editor gives None for an empty cell."""
    return " ".join(str(value or "").split())


@guarded
def attach_measurement(slides: Sequence[SlideRow]) -> None:
    """Let the user upload measured expression, check it against a slide, and attach it."""
    attached = st.session_state.get(_ATTACHED)
    if attached is not None:
        _show_result(*attached)
    by_id = {slide.id: slide for slide in sorted(slides, key=lambda s: s.counts_path is not None)}
    lacking = sum(slide.counts_path is None for slide in slides)
    state = f"{lacking} of {len(slides)} slides have none" if lacking else "all slides have it"
    label = f"Add measured expression ({state})"
    more_to_attach = lacking > 0 and attached is not None
    with st.expander(label, expanded=more_to_attach or lacking == len(slides)):
        slide_id = st.selectbox(
            "For which slide", list(by_id), format_func=lambda key: by_id[key].name
        )
        slide = by_id[slide_id]
        if slide.counts_path:
            st.caption("This slide already has measured expression; a new upload replaces it.")
        st.markdown(
            "Upload a table of counts (TSV) with its spot file, an `.h5ad` file, or a zip of a "
            "Space Ranger or Xenium folder or of a SpatialData store. Counts must be raw, and "
            "positions in full-resolution pixels of this slide."
        )
        counts = measured_uploader(f"train-counts-{slide.id}", "Counts, .h5ad or zip")
        spots = measured_uploader(
            f"train-spots-{slide.id}", "Spot file (only for a table of counts)"
        )
        file = _file(counts)
        choice, goes_on = (ONLY, False)
        if counts is not None and file is not None:
            choice, goes_on = measured_choice(file, counts["name"])
        pressed = st.button("Check and attach", disabled=file is None)
        if counts is not None and (pressed or goes_on):
            _attach(slide, counts, spots, choice)


@guarded
def _attach(
    slide: SlideRow, counts: dict[str, Any], spots: dict[str, Any] | None, choice: Choice
) -> None:
    if slide.mpp is None:
        raise MeasurementError(
            f"The pixel size of {slide.name} is unknown: enter it under Slides, then attach."
        )
    with st.spinner("Checking the spots against the tissue…"):
        file, spot_file = _file(counts), _file(spots)
        if file is None:
            return
        names = {file: counts["name"]}
        if spot_file is not None and spots is not None:
            names[spot_file] = spots["name"]
        mpp, series = slide.mpp_by_user, slide.series  # as in training
        section = Section(slide.name, "", slide.file, file, spot_file, mpp, series, choice)
        with asking(file, then_go_on=True), shown_as(names):
            facts = section_facts(section)
        require_sound(check_spots(slide.name, facts))
        get_context().catalog.attach_measured(slide.id, file, spot_file, choice)
    st.session_state.get(_ENTRIES, {}).get(slide.id, {}).pop(
        "use", None
    )  # so that the table proposes it for training
    counted = f"{slide.name}: {facts.n_spots:,} spots, {len(facts.genes):,} genes."
    alignment = facts.alignment
    st.session_state[_ATTACHED] = (alignment.verdict, f"{counted} {alignment.message}")
    st.rerun()


def _show_result(verdict: str, sentence: str) -> None:
    if verdict == "aligned":
        st.success(plain(sentence), icon=":material/check:")
    else:
        st.warning(plain(sentence))


def _file(answer: dict[str, Any] | None) -> Path | None:
    if answer is None or "measured_id" not in answer:
        return None
    return measured_file(get_context().settings, answer["measured_id"])
