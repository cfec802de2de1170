"""Small parts of many pages: escaped text, error messages, pickers and empty states."""

import functools
import html
import logging
import math
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import streamlit as st

from histospace_core.catalog import ComparisonRow, ModelRow, RunRow, SlideRow, State
from histospace_core.errors import HistospaceError
from histospace_core.sample.phantom import IMAGE, LABEL
from histospace_core.server.context import get_context
from histospace_core.server.links import slide_image_url

NOTICE: Final = "Research use only. Not for diagnosis."
CHART_CONFIG: Final = {"displaylogo": False, "scrollZoom": True, "displayModeBar": True}
_log = logging.getLogger(__name__)
_Row = TypeVar("_Row", RunRow, ComparisonRow)
_MARKUP = re.compile(r"([!-/:-@\[-`{-~])")  # ASCII punctuation: all that Markdown may interpret
_STATE_COLOURS: Final = {
    State.DONE: "green",
    State.FAILED: "red",
    State.INTERRUPTED: "orange",
    State.CANCELLED: "gray",
}


def plain(text: object) -> str:
    """Escape text so that Streamlit's Markdown shows it literally: no HTML, link or formula."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))  # a line break could start a list


def guarded(body: Callable[..., None]) -> Callable[..., None]:
    """Make a page, fragment or dialog show its errors as one sentence, never as a traceback."""

    @functools.wraps(body)
    def shown(*args: Any, **kwargs: Any) -> None:
        try:
            body(*args, **kwargs)
        except HistospaceError as error:
            st.error(plain(error))
        except Exception:  # Streamlit's rerun and stop are BaseExceptions
            reference = uuid.uuid4().hex[:8]
            _log.exception("Unexpected error on a page, reference %s", reference)
            st.error(
                "Something went wrong in the app: reload the page, and if the error returns, give "
                f"the operator this reference: {reference}."
            )

    return shown


def empty_state(sentence: str, page: str, label: str) -> None:
    """Say why there is nothing to show, and link to the page that changes this."""
    with st.container(border=True):
        st.markdown(sentence)
        st.page_link(page, label=label, icon=":material/arrow_forward:")


def initial_index(name: str, ids: Sequence[str]) -> int:
    """Return the index in `ids` of the choice in the URL, else of the last choice, else 0."""
    for wanted in (st.query_params.get(name), st.session_state.get(f"last-{name}")):
        if wanted in ids:
            return ids.index(wanted)
    return 0


def remember_choice(name: str, choice: str) -> None:
    """Write a choice to the URL, and store it for the other pages of this session."""
    st.query_params[name] = choice
    st.session_state[f"last-{name}"] = choice


def choose(
    label: str, name: str, ids: Sequence[str], format_func: Callable[[str], str] = str
) -> str:
    """Let the user choose one of `ids`; the URL parameter `name` holds the choice."""
    key = f"chosen-{name}"
    # Set in the session state, not as `index`: Streamlit treats a field whose default has changed
    # as a new field, and drops what the user has just chosen.
    st.session_state[key] = ids[initial_index(name, ids)]
    choice = st.selectbox(
        label,
        ids,
        key=key,
        on_change=lambda: remember_choice(name, st.session_state[key]),
        format_func=format_func,
    )
    remember_choice(name, choice)
    return choice


def slide_picker(slides: Sequence[SlideRow]) -> SlideRow:
    """Let the user choose a slide, and sync it to the URL."""
    by_id = {slide.id: slide for slide in slides}
    choice = choose(
        "Slide",
        "slide",
        list(by_id),
        lambda key: f"{by_id[key].name}{image_text(by_id[key])} · {size_text(by_id[key])}",
    )
    sample_note(by_id[choice])
    return by_id[choice]


def run_picker(action: Callable[[RunRow], None] | None = None) -> RunRow | None:
    """Let the user choose a finished prediction, and sync it to the URL.

    `action` draws a control beside the field. Returns None if there is no finished prediction.
    """
    runs = get_context().catalog.runs(states=[State.DONE], kinds=["predict"])
    if not runs:
        empty_state(
            "There is no finished prediction yet: predict a slide first.",
            "predict.py",
            "Go to Predict",
        )
        return None
    wanted = st.query_params.get("run")
    if wanted and wanted not in {run.id for run in runs}:
        st.warning("The run in this link is not finished or was deleted; the newest run is shown.")
    if action is None:
        run = choose_row("Run", "run", runs, run_text)
    else:
        field, more = st.columns([3, 1], vertical_alignment="bottom")
        with field:
            run = choose_row("Run", "run", runs, run_text)
        with more:
            action(run)
    sample_note(run.slide)
    return run


def compare_link(run: RunRow) -> None:
    """Link to Compare; if the slide has a measurement, the comparison starts by itself."""
    measured = run.slide is not None and run.slide.counts_path is not None
    st.page_link(
        "compare.py",
        label="Compare with its measurement" if measured else "Compare with measurement",
        icon=":material/compare:",
        query_params={"run": run.id} | ({"measured": "slide"} if measured else {}),
    )


def sample_note(slide: SlideRow | None) -> None:
    """Mark a sample slide with a badge, on every page that shows it."""
    if slide is not None and slide.is_sample:
        what = LABEL if slide.name == IMAGE else "public research data"
        st.badge(f"sample: {what}", icon=":material/science:", color="blue")


def run_text(run: RunRow) -> str:
    """Return the one-line title of a run, as plain text."""
    name = run.slide.name if run.slide else run.settings.get("file", run.kind)
    return " · ".join(part for part in (name, run.model_name, time_text(run.created_at)) if part)


def size_text(slide: SlideRow) -> str:
    """Return a slide's size in pixels, and in mm if its pixel size is known."""
    pixels = f"{slide.width:,} × {slide.height:,} px"
    if not slide.mpp:
        return pixels
    width, height = (side * slide.mpp / 1000 for side in (slide.width, slide.height))
    return f"{pixels}, {width:.1f} × {height:.1f} mm"


def pixel_size_text(slide: SlideRow) -> str:
    """Return a slide's pixel size and where it came from."""
    if slide.mpp is None:
        return "pixel size unknown"
    source = "from the file" if slide.mpp_source == "file" else "entered by you"
    return f"{slide.mpp:.4g} µm per px, {source}"


def image_text(slide: SlideRow) -> str:
    """Return which image of its file a slide is, where the file holds several."""
    return f" · image “{slide.series}”" if slide.series else ""


def time_text(moment: datetime) -> str:
    """Return a time in the user's time zone."""
    return f"{moment.astimezone(ZoneInfo(st.context.timezone or 'UTC')):%Y-%m-%d %H:%M}"


def duration_text(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def state_badge(run: RunRow) -> None:
    """Show the state of a run as a word; the colour only supports it."""
    st.badge(run.state, color=_STATE_COLOURS.get(State(run.state), "blue"))  # type: ignore[arg-type]


def thumbnail(slide: SlideRow, max_px: int = 256) -> None:
    """Show a slide's overview from its signed link."""
    source = html.escape(slide_image_url(slide.id, max_px))
    alt = html.escape(f"Overview of {slide.name}")
    st.html(
        f'<img src="{source}" alt="{alt}" loading="lazy" '
        'style="max-width:100%;max-height:180px;border-radius:6px;display:block">'
    )


def ask_pixel_size(slide: SlideRow, place: str = "") -> None:
    """Ask for the pixel size of a slide whose file states none, and store it; it is never guessed.

    `place` distinguishes two forms for the same slide on one page.
    """
    with st.form(f"mpp-{slide.id}-{place}", border=False):
        st.markdown(f"**{plain(slide.name)} does not state its pixel size.**")
        mpp = st.number_input(
            "Pixel size, µm per px",
            min_value=0.05,
            max_value=4.0,
            value=None,
            step=0.01,
            format="%.4f",
            placeholder="unknown",
            help="See the scanner software or the scanning protocol. Typical values are 0.25 (40×) "
            "and 0.5 (20×). With a wrong value, the model sees the tissue at the wrong scale and "
            "the prediction is meaningless.",
        )
        if st.form_submit_button("Save pixel size"):
            if mpp is None:
                st.error("Enter the pixel size in µm per px first.")
            else:
                get_context().catalog.set_pixel_size(slide.id, mpp)
                st.rerun()


def choose_row(label: str, name: str, rows: Sequence[_Row], text: Callable[[_Row], str]) -> _Row:
    """Let the user choose one of `rows`; the URL parameter `name` holds the choice."""
    by_id = {row.id: row for row in rows}
    return by_id[choose(label, name, list(by_id), lambda key: text(by_id[key]))]


def metric(label: str, value: str, reference: str | None, help: str | None = None) -> None:
    """Show a score beside its reference value, with a link to how the scores are made."""
    help = help and f"{help} [How the scores are made](about_scores)"
    st.metric(label, value, reference, "off", delta_arrow="off", width="content", help=help)


def model_card(model: ModelRow) -> None:
    """Show the training data and the held-out scores of a model."""
    facts, metrics = model.summary, model.summary.get("metrics", {})
    sections = facts.get("training_sections", [])
    names = ", ".join(str(s.get("section", s)) if isinstance(s, dict) else str(s) for s in sections)
    of = f"Trained on sections {names}." if names else "Training sections are not stated."
    st.caption(plain(f"{of} {facts.get('data_note', '')}".replace("**", "")))
    reliable = metrics.get("n_genes_reliable")
    score, ratio = metrics.get("per_gene_pearson"), metrics.get("mse_ratio_to_mean")
    with st.container(horizontal=True):
        st.metric("Genes", f"{facts.get('n_genes', 0):,}", width="content")
        if reliable is not None:
            st.metric("Reliable genes", f"{reliable:,}", width="content")
        metric(
            "Held-out per-gene r",
            "not scored" if score is None else f"{score:.2f}",
            "mean profile: 0",
            help="Correlation over the spots of held-out sections, averaged over the genes.",
        )
        metric(
            "Error ratio",
            "not scored" if ratio is None else f"{ratio:.2f}",
            "mean profile: 1",
            help="Mean squared error divided by that of the mean profile, which uses no image. "
            "Below 1 is better than the mean profile.",
        )
