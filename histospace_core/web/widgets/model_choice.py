"""Fields of every new prediction: the model and the stain normalisation."""

from collections.abc import Sequence

import streamlit as st

from histospace_core.catalog import ModelRow
from histospace_core.server.context import get_context
from histospace_core.web.widgets.parts import model_card

STAINS = {
    "none": "none (as scanned)",
    "vahadane": "Vahadane (as published)",
    "macenko": "Macenko",
    "reinhard": "Reinhard",
}


def initial_model() -> ModelRow | None:
    """Return the model that the URL names, else the default model; None if there are no models."""
    return _first(get_context().catalog.models())


def _first(models: Sequence[ModelRow]) -> ModelRow | None:
    by_name = {model.name: model for model in models}
    wanted = (st.query_params.get("model"), get_context().settings.default_model, *by_name)
    return next((by_name[name] for name in wanted if name in by_name), None)


def choose_model() -> ModelRow | None:
    """Let the user choose a model, and show its scores; return None if there are no models."""
    models = {model.name: model for model in get_context().catalog.models()}
    first = _first(list(models.values()))
    if first is None:
        st.info("No models found. Models are still loading if the app has just started.")
        st.button("Check again")
        return None
    names = list(models)
    model = models[st.selectbox("Model", names, index=names.index(first.name))]
    model_card(model)
    return model


def choose_stain() -> str:
    """Let the user choose a stain normalisation; "none" is the default."""
    return st.selectbox(
        "Stain normalisation",
        list(STAINS),
        format_func=STAINS.__getitem__,
        help="Changes the slide's colours to those of a reference. Fitted once, on its tissue.",
    )
