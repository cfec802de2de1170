"""The deep-zoom viewer: a slide with up to six gene maps, which move together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.characterise.signature_map import held_out_skill
from histospace_core.figures.canvas import Canvas, view_box
from histospace_core.figures.colours import (
    INKS,
    OUT_OF_DOMAIN,
    SCALES,
    colour_table,
    ink_table,
    unit_label,
)
from histospace_core.server.context import get_context
from histospace_core.server.signature_lists import layer_of, run_signature
from histospace_core.server.tile_routes import run_layer, slide_tiles
from histospace_core.server.tiles import OpenRun, averaged_layer
from histospace_core.web.gene_map.confirmed import averaged_text, shown_scale
from histospace_core.web.gene_map.depth import chosen_depth, interval_table
from histospace_core.web.gene_map.display_settings import QUERY, DisplaySettings
from histospace_core.web.widgets.components import component

MOST_GENES = 6


def current_display_settings(run_id: str) -> DisplaySettings:
    """Return the display settings of a run's maps, from this session or from the URL."""
    key = _display_settings_key(run_id)
    if key not in st.session_state:
        st.session_state[key] = DisplaySettings.from_query(st.query_params.to_dict())
    return st.session_state[key]


def keep_display_settings(settings: DisplaySettings) -> None:
    """Write the settings that differ from the default to the URL."""
    query = settings.to_query()
    for name in QUERY:
        if name in query:
            st.query_params[name] = query[name]
        elif name in st.query_params:
            del st.query_params[name]


def deep_zoom(
    run: RunRow,
    open_run: OpenRun,
    genes: Sequence[str],
    settings: DisplaySettings,
    *,
    outlines: Sequence[Mapping[str, Any]],
    on_drawn: Callable[[Any], None],
    mixed: int = 0,
    signature: str | None = None,
) -> None:
    """Show genes of a run over its slide, and let the user draw regions on it.

    The viewer persists between reruns of the page: the view stays in place, and another gene does
    not reload the slide. `current_display_settings` returns the settings that the user chooses in
    the viewer.

    Parameters
    ----------
    run : RunRow
        A finished run.
    open_run : OpenRun
        The same run, from `Tiles.open_run`.
    genes : sequence of str
        One to `MOST_GENES` genes.
    settings : DisplaySettings
        Initial settings; after that, the viewer's own controls apply.
    outlines : sequence of mapping
        Regions, from `regions.outlines`.
    on_drawn : callable
        Called with the corners of a drawing, as the browser sent them.
    mixed : int
        Number of genes, from the first, that are blended into one image: 0, 2 or 3.
    signature : str, optional
        Key of a signature to show last; if there are too many maps, it replaces the last gene.
    """
    key = f"viewer-{run.id}"

    def store_settings() -> None:
        state = st.session_state.get(key) or {}
        st.session_state[_display_settings_key(run.id)] = DisplaySettings.read(state.get("looks"))

    def pass_drawing() -> None:
        on_drawn((st.session_state.get(key) or {}).get("drawn"))

    data = viewer_data(run, open_run, _layers(run, open_run, genes, mixed, signature), settings)
    component("viewer/viewer", module="viewer/viewer.js")(
        key=key,
        data={**data, "regions": outlines},
        on_looks_change=store_settings,
        on_drawn_change=pass_drawing,
    )


def viewer_data(
    run: RunRow, open_run: OpenRun, layers: Sequence[dict[str, Any]], settings: DisplaySettings
) -> dict[str, Any]:
    """Return the data for the viewer's script. The user can read it, so it holds no secrets."""
    prediction, pyramid = open_run.prediction, open_run.pyramid
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
        # the tissue, not the glass
        "home": view_box(canvas, prediction.centres, prediction.tile_level0),
        "mpp": prediction.mpp,
        "unit": unit_label(prediction.record.model.expression_unit),
        "n_out_of_domain": int(open_run.out_of_domain.sum()),
        "scales": {name: colour_table(name).tobytes().hex() for name in SCALES},
        "out_of_domain": OUT_OF_DOMAIN.removeprefix("#"),
        "looks": settings.to_json(),
        "genes": list(layers),
    }


def _layers(
    run: RunRow, open_run: OpenRun, genes: Sequence[str], mixed: int, signature: str | None
) -> list[dict[str, Any]]:
    """Return the data of each panel."""
    depth = chosen_depth(run.id)
    shown = [_gene(open_run, run.id, gene, depth) for gene in genes[:MOST_GENES]]
    if mixed:
        shown = [_mix(open_run, shown[:mixed]), *shown[mixed:]]
    if signature:
        shown = [*shown[: MOST_GENES - 1], _signature(open_run, run.id, signature)]
    return shown


def _slide(run: RunRow) -> Mapping[str, str] | None:
    if run.slide is None or not run.slide.file.exists():
        return None
    url, token = slide_tiles(run.slide.id)
    return {"url": url, "token": token}


def _gene(open_run: OpenRun, run_id: str, gene: str, depth: int | None) -> dict[str, Any]:
    row = open_run.prediction.var.loc[gene]
    values = get_context().tiles.layer(run_id, gene)  # an averaged map keeps its colours
    scale = shown_scale(run_id, open_run.prediction, gene)
    averaged = averaged_text(scale)
    return {
        "name": gene,
        "layer": averaged_layer(gene, scale),
        "limits": open_run.limits(values),
        # the interval is that of a tile
        "interval": None if averaged else interval_table(open_run.prediction, gene, depth),
        "reliable": bool(row.reliable),
        "score": f"{averaged}{score_text(row)}",
    }


def _mix(open_run: OpenRun, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a panel that blends genes, each in its own ink."""
    genes = [part["name"] for part in parts]
    rows = open_run.prediction.var.loc[genes]
    scores = ", ".join("none" if pd.isna(r) else f"{r:.2f}" for r in rows["held_out_pearson"])
    doubtful = [gene for gene, reliable in rows["reliable"].items() if not reliable]
    warning = f"unreliable: {', '.join(map(str, doubtful))}; " if doubtful else ""
    return {
        "name": " + ".join(genes),
        "layer": " + ".join(genes),
        "parts": [
            {**part, "ink": ink, "inks": ink_table(ink).tobytes().hex()}
            for part, ink in zip(parts, INKS[len(parts)], strict=True)
        ],
        "reliable": not doubtful,
        "score": f"{warning}held-out r {scores}, mean profile 0",
    }


def _signature(open_run: OpenRun, run_id: str, key: str) -> dict[str, Any]:
    tiles, signature = get_context().tiles, run_signature(open_run.prediction.run_dir, key)
    skill = held_out_skill(open_run.prediction, signature)
    own = tiles.signature(run_id, key).facts["mean_gene_pearson"]
    return {
        "name": f"{signature.name} (signature)",
        "layer": layer_of(key),
        "unit": "mean z",
        "limits": open_run.limits(tiles.layer(run_id, layer_of(key))),
        "interval": None,
        "reliable": skill is not None and skill["held_out_pearson"] > skill["random_p95"],
        "score": skill_text(skill, own),
    }


def skill_text(skill: Mapping[str, float] | None, mean_gene_pearson: float) -> str:
    """Return a short text with the held-out score of a signature."""
    if skill is None:
        return f"no held-out score; mean held-out r of its genes {mean_gene_pearson:.2f}"
    return f"held-out r {skill['held_out_pearson']:.2f}, random lists {skill['random_pearson']:.2f}"


def score_text(row: pd.Series) -> str:
    """Return a short text with the held-out score of a gene."""
    if pd.isna(row.held_out_pearson):
        return "no held-out score"
    text = f"held-out r {row.held_out_pearson:.2f}, mean profile 0"
    return text if row.reliable else f"unreliable: {text}"


def _display_settings_key(run_id: str) -> str:
    return f"display-settings-{run_id}"
