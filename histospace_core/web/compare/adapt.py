"""Adapt the model of a run to its patient, from the measurement on the Compare page."""

from typing import Any

import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.errors import JobError
from histospace_core.server.context import get_context
from histospace_core.web.compare.placement import Source
from histospace_core.web.widgets.parts import guarded, plain


@st.fragment
@guarded
def adapt_to_patient(run: RunRow, source: Source) -> None:
    """Let the user start an adaptation of the run's model to the measured section."""
    if run.slide is None or not st.toggle("Adapt the model to this patient", key=f"adapt-{run.id}"):
        return
    st.markdown(
        f"The training of {plain(run.model_name)} continues on this section. The new model is for "
        "other slides of this patient only. It states its scores on blocks of the section that "
        "were held out, beside those of the model as it is and of the mean profile. If the "
        "measurement does not fit, it says so and keeps no model."
    )
    left, middle, right = st.columns(3)
    name = left.text_input("Name of the adapted model", placeholder="for example patient-7")
    patient = middle.text_input("Patient, a pseudonym", help="The model card names it.")
    epochs = right.number_input("Epochs", 1, 2000, value=None, placeholder="the default")
    extend = st.checkbox("Also predict the genes that are frequent in this section")
    if not st.button("Adapt", icon=":material/person:"):
        return
    if not name.strip():
        raise JobError("The adapted model needs a name: enter one above.")
    changes: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    run_id = get_context().jobs.submit_adaptation(
        run.slide.id,
        run.model_name,
        source.counts,
        source.spots,
        name=name.strip(),
        patient=patient.strip(),
        choice=source.choice,
        extend=extend,
        **changes,
    )
    st.switch_page("train.py", query_params={"run": run_id})
