"""Predict: choose a slide and a model, preview the run, start it and follow it."""

import streamlit as st

from histospace_core.catalog import ModelRow, RunRow, SlideRow, State
from histospace_core.errors import HistospaceError
from histospace_core.server import get_context
from histospace_core.web.predict.preview import (
    Preview,
    colour_profile,
    expected_seconds,
    preview,
)
from histospace_core.web.widgets.inspection_panel import inspection_panel
from histospace_core.web.widgets.model_choice import choose_model, choose_stain
from histospace_core.web.widgets.parts import (
    ask_pixel_size,
    compare_link,
    duration_text,
    empty_state,
    guarded,
    pixel_size_text,
    plain,
    run_text,
    slide_picker,
    state_badge,
)
from histospace_core.web.widgets.run_progress import live_run, show_stopped_run


@guarded
def predict() -> None:
    """Show a run if the URL names one, else the form for a new one."""
    st.title("Predict")
    run_id = st.query_params.get("run")
    if run_id:
        _show_run(get_context().catalog.run(run_id))
    else:
        _new_run()


def _new_run() -> None:
    context = get_context()
    slides = context.catalog.slides()
    if not slides:
        empty_state("There is no slide to predict yet.", "slides.py", "Upload a slide")
        return
    choice, picture = st.columns([3, 2], gap="large")
    with choice:
        slide = slide_picker(slides)
        st.caption(pixel_size_text(slide))
        inspection_panel(slide.file, slide.name, series=slide.series)
        if slide.mpp is None:
            ask_pixel_size(slide)
            return
        model = choose_model()
        if model is None:
            return
        stain, stride_um, device, icc = _settings(slide, model)
    with picture:
        shown = _preview(slide, model, stride_um, icc)
    with choice:
        _facts(shown, model, stride_um)
        if st.button("Run", type="primary", icon=":material/play_arrow:"):
            st.query_params["run"] = context.jobs.submit_prediction(
                slide.id,
                model.name,
                stain=stain,
                stride_um=stride_um,
                device=device,
                icc=icc,
                model_sha256=model.sha256,
            )
            del st.query_params["slide"]
            st.rerun()


def _settings(slide: SlideRow, model: ModelRow) -> tuple[str, float | None, str, bool]:
    stain = choose_stain()
    tile_um = model.summary["tile_px"] * model.summary["um_per_px"]
    with st.expander("Advanced"):
        stride_um = st.number_input(
            "Stride (distance between tile centres), µm",
            min_value=5.0,
            max_value=1000.0,
            value=None,
            placeholder=f"{tile_um:.0f}, the width of a tile",
            help=f"A tile is {tile_um:.0f} µm wide. A smaller stride gives a finer map and "
            "takes longer.",
        )
        device = st.selectbox("Compute on", ["auto", "cpu", "cuda"])
        profile = _colour_profile(slide.id)
        icc = not profile or st.checkbox(
            f"Convert colours by the slide's profile ({plain(profile)})",
            value=True,
            key=f"icc-{slide.id}",
            help="The scanner's profile says which colours its pixel values stand for. Models are "
            "trained on converted colours.",
        )
    return stain, stride_um, device, icc


@st.cache_data(max_entries=200, show_spinner=False)
def _colour_profile(slide_id: str) -> str:
    """Return the name of the profile that converts a slide's colours; "" if there is none."""
    try:
        return colour_profile(get_context().catalog.slide(slide_id))
    except HistospaceError:
        return ""  # the preview says what is wrong


# `mpp` only belongs to the key of the cache: a new pixel size needs a new preview.
@st.cache_data(show_spinner="Finding tissue…", max_entries=20)
def _cached_preview(
    slide_id: str, mpp: float, tile_px: int, um_per_px: float, stride_um: float | None, icc: bool
) -> Preview | str:
    """Return the preview, or its error as text, because Streamlit does not cache exceptions."""
    try:
        slide = get_context().catalog.slide(slide_id)
        return preview(slide, tile_px=tile_px, um_per_px=um_per_px, stride_um=stride_um, icc=icc)
    except HistospaceError as error:
        return str(error)


def _preview(slide: SlideRow, model: ModelRow, stride_um: float | None, icc: bool) -> Preview:
    facts = model.summary
    shown = _cached_preview(
        slide.id, slide.mpp or 0.0, facts["tile_px"], facts["um_per_px"], stride_um, icc
    )
    if isinstance(shown, str):
        raise HistospaceError(shown)
    st.image(
        shown.picture,
        caption="The tissue to be predicted is outlined in green.",
        alt=f"Overview of {slide.name} with the outline of its tissue",
    )
    return shown


def _facts(shown: Preview, model: ModelRow, stride_um: float | None) -> None:
    seconds = expected_seconds(get_context().catalog, model.name, shown.n_tiles, stride_um)
    with st.container(horizontal=True):
        st.metric("Tissue", f"{shown.tissue_mm2:.1f} mm²", width="content")
        st.metric("Tiles", f"{shown.n_tiles:,}", width="content")
        st.metric("Estimated time", duration_text(seconds), width="content")
    for reason, number in shown.excluded.items():
        if number:
            st.caption(f"{number:,} tiles left out: {plain(reason)}")
    for note in shown.notes:
        st.warning(plain(note))


def _show_run(run: RunRow) -> None:
    st.markdown(f"**{plain(run_text(run))}**")
    if run.is_active:
        live_run(run.id, "finding the tissue, preparing the model", _tiles)
        return
    state_badge(run)
    if run.state == State.DONE:
        _done(run)
    else:
        show_stopped_run(run)
    st.page_link("predict.py", label="New prediction", icon=":material/add:")


def _tiles(run: RunRow) -> str:
    return f" · {run.done:,} of {run.total:,} tiles" if run.total else ""


def _done(run: RunRow) -> None:
    record = run.prediction_record
    tiles = record.tiles
    reasons = {name: n for name, n in tiles.by_reason.items() if name != "ok"}
    predicted = tiles.total - sum(reasons.values())
    share = f"{predicted:,} of {tiles.total:,}" if reasons else f"{tiles.total:,}"
    took = duration_text(run.seconds)
    st.success(f"{share} tiles predicted in {took}.", icon=":material/check:")
    for reason, number in reasons.items():
        st.caption(f"{number:,} left out: {plain(reason)}")
    if record.domain.warning:
        st.warning(plain(record.domain.warning))
    if st.button("Open the gene map", type="primary", icon=":material/grid_on:"):
        st.switch_page("gene_map.py", query_params={"run": run.id})
    compare_link(run)


predict()
