"""The deep-zoom viewer: a slide and up to six gene maps over it, moved together."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.figures.canvas import Canvas, view_box
from histospace_core.figures.colours import FOREIGN, SCALES, colour_table, robust_limits, unit_label
from histospace_core.web.components import component
from histospace_core.web.context import get_context
from histospace_core.web.looks import QUERY, Looks
from histospace_core.web.tile_routes import run_layer, slide_tiles
from histospace_core.web.tiles import Study

MOST_GENES = 6


def current_looks(run_id: str) -> Looks:
    """Return the colours of a run's maps: as set in this session, else by the address."""
    key = _looks_key(run_id)
    if key not in st.session_state:
        st.session_state[key] = Looks.from_query(st.query_params.to_dict())
    return st.session_state[key]


def keep_looks(looks: Looks) -> None:
    """Name in the address what differs from the default."""
    wanted = looks.to_query()
    for name in QUERY:
        if name in wanted:
            st.query_params[name] = wanted[name]
        elif name in st.query_params:
            del st.query_params[name]


def deep_zoom(run: RunRow, study: Study, genes: Sequence[str], looks: Looks) -> None:
    """Show genes of a run over its slide.

    The viewer goes on while the page's script runs: where the reader looks stays, and a gene that
    is exchanged does not load the slide again. What the reader sets is kept by `current_looks`.

    Parameters
    ----------
    run : RunRow
        A finished run.
    study : Study
        The same, as `Tiles.study` gives it.
    genes : sequence of str
        One to `MOST_GENES`.
    looks : Looks
        What the colours are at first; then the viewer's own controls count.
    """
    key = f"viewer-{run.id}"

    def take_over() -> None:
        state = st.session_state.get(key) or {}
        st.session_state[_looks_key(run.id)] = Looks.read(state.get("looks"))

    component("viewer/viewer", module="viewer/viewer.js")(
        key=key, data=viewer_data(run, study, genes[:MOST_GENES], looks), on_looks_change=take_over
    )


def viewer_data(run: RunRow, study: Study, genes: Sequence[str], looks: Looks) -> dict[str, Any]:
    """Return what the viewer's script is told; all of it may be seen by the reader."""
    prediction, pyramid = study.prediction, study.pyramid
    canvas = Canvas(pyramid.width, pyramid.height)
    layer, token = run_layer(run.id)
    return {
        "run": run.id,
        "slide": _slide(run),
        "layer": {"url": layer, "token": token},
        "pyramid": {
            "width": pyramid.width,
            "height": pyramid.height,
            "tile": pyramid.tile,
            "first": pyramid.first,
            "last": pyramid.last,
        },
        "home": view_box(canvas, prediction.centres, prediction.tile_level0),
        "mpp": prediction.mpp,
        "unit": unit_label(prediction.provenance["model"]["expression_unit"]),
        "n_foreign": int(study.foreign.sum()),
        "scales": {name: colour_table(name).tobytes().hex() for name in SCALES},
        "foreign": FOREIGN.removeprefix("#"),
        "looks": looks.to_json(),
        "genes": [_gene(study, run.id, gene) for gene in genes],
    }


def _slide(run: RunRow) -> Mapping[str, str] | None:
    if run.slide is None or not run.slide.file.exists():
        return None
    url, token = slide_tiles(run.slide.id)
    return {"url": url, "token": token}


def _gene(study: Study, run_id: str, gene: str) -> dict[str, Any]:
    row = study.prediction.var.loc[gene]
    half = row.get("interval_half_width")
    values = get_context().tiles.layer(run_id, gene)
    return {
        "name": gene,
        "limits": robust_limits(values),
        "half_width": float(half) if pd.notna(half) else None,
        "reliable": bool(row.reliable),
        "score": score_text(row),
    }


def score_text(row: pd.Series) -> str:
    """Return a gene's held-out score in a few words."""
    if pd.isna(row.held_out_pearson):
        return "no held-out score"
    text = f"held-out r {row.held_out_pearson:.2f}, mean profile 0"
    return text if row.reliable else f"unreliable: {text}"


def _looks_key(run_id: str) -> str:
    return f"looks-{run_id}"
