"""The panel beside the map: select, edit and delete regions, undo, and exchange with QuPath."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from histospace_core.catalog import Change, RegionRow, RunRow
from histospace_core.exports.geojson import regions_geojson
from histospace_core.inference import Prediction
from histospace_core.server.context import get_context
from histospace_core.web.gene_map import regions
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.parts import plain

_ACTION_LABELS = {
    "draw": "drawing",
    "redraw": "redrawing",
    "rename": "renaming",
    "recolour": "recolouring",
    "delete": "deleting",
    "import": "import of",
}


def region_panel(
    run: RunRow, prediction: Prediction, rows: Sequence[RegionRow], row: RegionRow | None
) -> None:
    """Let the user select a region and change it.

    Parameters
    ----------
    rows : sequence of RegionRow
        Regions of the run.
    row : RegionRow or None
        The selected region, as `regions.selected_region` returns it.
    """
    for sentence, error in regions.pop_messages(run.id):
        (st.error if error else st.success)(plain(sentence))
    names = {regions.ALL: "All tiles", **{r.region_id: r.name for r in rows}}
    key = f"picker-{run.id}"
    # Set on every rerun: a selectbox remembers options by their labels, and regions are renamed.
    st.session_state[key] = regions.ALL if row is None else row.region_id
    st.selectbox(
        f"Region, of {len(rows):,}" if rows else "Region",
        list(names),
        key=key,
        on_change=lambda: regions.select(run.id, st.session_state[key]),
        format_func=names.__getitem__,
        help="Draw on the map with Rectangle, Polygon or Lasso, or import annotations from QuPath.",
    )
    if not rows:
        st.caption("Draw a region on the map to compare it with the rest of the tissue.")
    if row is not None:
        inside = regions.tiles_inside(row, prediction)
        st.caption(
            f"{inside.sum():,} of {prediction.n_tiles:,} tiles have their centre in this region."
        )
    redrawn = regions.being_redrawn(run.id)
    if redrawn is not None:
        st.info(
            f"Draw the new outline of {plain(redrawn.name)} on the map.", icon=":material/draw:"
        )
        st.button("Keep the old outline", on_click=regions.begin_redrawing, args=(run.id, None))
    with st.container(horizontal=True):
        if row is not None:
            _changes(run, row)
        _undo(run)
        _exchange(run, prediction, rows)


def _changes(run: RunRow, row: RegionRow) -> None:
    with st.popover("Name and colour", icon=":material/edit:"):
        # The keys contain the row's state, so that a changed row resets the fields.
        save = partial(_save, run.id, row)
        st.text_input("Name", row.name, max_chars=80, key=f"name-{row.id}", on_change=save)
        st.color_picker("Colour", row.colour, key=f"colour-{row.id}", on_change=save)
    st.button(
        "Redraw", icon=":material/draw:", on_click=regions.begin_redrawing, args=(run.id, row)
    )
    st.button(
        "Delete",
        icon=":material/delete:",
        on_click=regions.report_errors,
        args=(run.id, regions.delete, row),
    )


def _save(run_id: str, row: RegionRow) -> None:
    values = (st.session_state[f"{field}-{row.id}"] for field in ("name", "colour"))
    regions.report_errors(run_id, regions.edit, row, *values)


def _undo(run: RunRow) -> None:
    change = get_context().catalog.last_change(run.id)
    if change is not None:
        st.button(
            f"Undo {_change_label(change)}",
            icon=":material/undo:",
            on_click=regions.report_errors,
            args=(run.id, regions.undo, change.id),
        )


def _change_label(change: Change) -> str:
    first, *others = change.names
    more = f" and {len(others):,} more" if others else ""
    return f"{_ACTION_LABELS[change.action]} {plain(first)}{more}"


def _exchange(run: RunRow, prediction: Prediction, rows: Sequence[RegionRow]) -> None:
    """Import annotations from QuPath, and export regions to it."""
    # The key of the uploader changes with each file, because a new uploader is empty.
    times = f"imported-{run.id}"
    key = f"annotations-{run.id}-{st.session_state.get(times, 0)}"
    slide = prediction.record.slide

    def read_file() -> None:
        file = st.session_state[key]
        if file is not None:  # the user may have removed it
            st.session_state[times] = st.session_state.get(times, 0) + 1
            size = (slide.width, slide.height)
            regions.report_errors(
                run.id, regions.import_annotations, file.getvalue(), file.name, size
            )

    with st.popover("QuPath", icon=":material/swap_horiz:"):
        st.file_uploader(
            "Annotations as GeoJSON, in full-resolution pixels",
            type=["geojson", "json"],
            max_upload_size=64,
            key=key,
            on_change=read_file,
        )
        if rows:
            download(
                "Regions as GeoJSON",
                lambda: regions_geojson({r.region_id: regions.as_region(r) for r in rows}),
                "regions",
                run.id[:8],
                suffix=".geojson",
            )
