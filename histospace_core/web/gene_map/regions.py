"""The regions of a run on a page: selection, tiles, outlines and changes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import streamlit as st

from histospace_core.catalog import NewRegion, RegionRow
from histospace_core.characterise import Region, read_annotations
from histospace_core.errors import HistospaceError, StoreError
from histospace_core.figures.characterisation import domain_colour
from histospace_core.inference import Prediction
from histospace_core.server.context import get_context
from histospace_core.web.widgets.parts import remember_choice

PARAMETER = "region"
"""URL parameter for the id of the selected region."""
ALL = ""
"""The id that means no region, so all tiles."""
_MOST_POINTS = 20_000
"""Outlines with more points are simplified for display; stored regions are not."""


def select(run_id: str, region_id: str) -> None:
    """Select a region, or `ALL`."""
    st.session_state[_selected_key(run_id)] = region_id


def selected_region(run_id: str, rows: Sequence[RegionRow]) -> RegionRow | None:
    """Return the selected region and sync it to the URL."""
    key, by_id = _selected_key(run_id), {row.region_id: row for row in rows}
    if key not in st.session_state:
        from_url, last = st.query_params.get(PARAMETER), st.session_state.get(f"last-{PARAMETER}")
        if from_url and from_url not in by_id and from_url != last:
            st.warning("The region of this link was deleted or belongs to another run.")
        st.session_state[key] = next((i for i in (from_url, last) if i in by_id), ALL)
    elif st.session_state[key] not in by_id:  # deleted, perhaps in another window
        st.session_state[key] = ALL
    row = by_id.get(st.session_state[key])
    if row is not None:
        remember_choice(PARAMETER, row.region_id)
    else:
        st.session_state.pop(f"last-{PARAMETER}", None)
        st.query_params.pop(PARAMETER, None)
    return row


def as_region(row: RegionRow) -> Region:
    """Return a stored region."""
    return Region.from_geometry(row.name, row.shape, row.colour)


def tiles_inside(row: RegionRow, prediction: Prediction) -> npt.NDArray[np.bool_]:
    """Return which tiles (n,) have their centre in a region."""
    return _tiles(row.run_id, row.id, row, prediction)


# `state` stands for `_row` in the cache key: each state of a region has its own id.
@st.cache_data(max_entries=128, show_spinner=False)
def _tiles(
    run_id: str, state: int, _row: RegionRow, _prediction: Prediction
) -> npt.NDArray[np.bool_]:
    return as_region(_row).contains(_prediction.centres)


def outlines(rows: Sequence[RegionRow], chosen: RegionRow | None) -> list[dict[str, Any]]:
    """Return the regions for the viewer: SVG paths in level-0 px, names and colours."""
    return [
        {
            **_outline(row.run_id, row.id, row),
            "name": row.name,
            "colour": row.colour,
            "chosen": row is chosen,
        }
        for row in rows
    ]


@st.cache_data(max_entries=512, show_spinner=False)
def _outline(run_id: str, state: int, _row: RegionRow) -> dict[str, Any]:
    area, tolerance = as_region(_row).area, 1.0
    while shapely.get_num_coordinates(area) > _MOST_POINTS and tolerance < 64:
        area = shapely.simplify(area, tolerance)
        tolerance *= 2
    rings = [shapely.get_coordinates(ring) for ring in shapely.get_rings(area)]
    # without the last point of a ring, because Z closes it
    path = "".join(f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in ring[:-1])}Z" for ring in rings)
    corners = np.concatenate(rings)
    return {"path": path, "at": corners[corners[:, 1].argmin()].round(1).tolist()}


def report_errors(run_id: str, act: Callable[..., None], *arguments: Any) -> None:
    """Run an action from a callback; show its error on the page afterwards."""
    try:
        act(run_id, *arguments)
    except HistospaceError as refusal:
        queue_message(run_id, str(refusal), error=True)


def queue_message(run_id: str, sentence: str, *, error: bool = False) -> None:
    """Queue a message for the next run of the page."""
    st.session_state.setdefault(_messages_key(run_id), []).append((sentence, error))


def pop_messages(run_id: str) -> list[tuple[str, bool]]:
    """Return the queued messages, each with whether it is an error, and empty the queue."""
    sentences: list[tuple[str, bool]] = st.session_state.pop(_messages_key(run_id), [])
    return sentences


def being_redrawn(run_id: str) -> RegionRow | None:
    """Return the region that the next drawing will replace, if any."""
    row: RegionRow | None = st.session_state.get(_redrawing_key(run_id))
    return row


def begin_redrawing(run_id: str, row: RegionRow | None) -> None:
    """Make the next drawing the new outline of a region, or with None a new region."""
    st.session_state[_redrawing_key(run_id)] = row


def take_drawing(run_id: str, points: Any) -> None:
    """Store a drawing as a new region, or as the outline of the region being redrawn."""
    catalog, former = get_context().catalog, being_redrawn(run_id)
    begin_redrawing(run_id, None)
    shape = Region.drawn("", points).geometry
    if former is not None:
        try:
            catalog.change_region(former, "redraw", shape=shape)
        except StoreError as error:  # keep the drawing even though the other window's outline wins
            queue_message(run_id, f"{error} Your drawing was saved as a new region.", error=True)
        else:
            return
    colour = domain_colour(len(catalog.regions(run_id)))
    name = former.name if former else "Region"
    (row,) = catalog.add_regions(run_id, [NewRegion(name, colour, shape)])
    select(run_id, row.region_id)


def edit(run_id: str, row: RegionRow, name: str, colour: str) -> None:
    """Give a region another name or colour."""
    if (name, colour) != (row.name, row.colour):
        action = "rename" if name != row.name else "recolour"
        get_context().catalog.change_region(row, action, name=name, colour=colour)


def delete(run_id: str, row: RegionRow) -> None:
    """Delete a region; it can be undone."""
    get_context().catalog.change_region(row, "delete", deleted=True)


def undo(run_id: str, change: str) -> None:
    """Undo the newest change of the run's regions."""
    get_context().catalog.undo_change(run_id, change)


def import_annotations(run_id: str, data: bytes, file: str, size: tuple[float, float]) -> None:
    """Import the annotations of a GeoJSON file as regions, all or none, and report the result."""
    catalog = get_context().catalog
    found = read_annotations(data, file, size)
    rows = catalog.regions(run_id)
    known = [(row.name, row.shape) for row in rows]
    new = [region for region in found.regions if (region.name, region.geometry) not in known]
    drawn = [
        NewRegion(region.name, region.colour or domain_colour(len(rows) + number), region.geometry)
        for number, region in enumerate(new)
    ]
    if drawn:
        first, *_ = catalog.add_regions(run_id, drawn, "import")
        select(run_id, first.region_id)
    same = len(found.regions) - len(new)
    sentences = [f"Regions imported from {file}: {len(new):,}."]
    if same:
        sentences.append(f"Already present and unchanged: {same:,}.")
    queue_message(run_id, " ".join([*sentences, *found.notes]))


def _selected_key(run_id: str) -> str:
    return f"region-{run_id}"


def _messages_key(run_id: str) -> str:
    return f"messages-{run_id}"


def _redrawing_key(run_id: str) -> str:
    return f"redrawing-{run_id}"
