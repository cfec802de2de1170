"""The regions of a run as a page needs them: which is looked at, its tiles, outlines, changes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import streamlit as st

from histospace_core.catalog import Drawn, RegionRow
from histospace_core.characterise import Region, read_annotations
from histospace_core.errors import HistospaceError, StoreError
from histospace_core.figures.characterisation import domain_colour
from histospace_core.inference import Prediction
from histospace_core.server.context import get_context
from histospace_core.web.widgets.parts import keep

PARAMETER = "region"
"""Of the address: the id of the region that is looked at."""
ALL = ""
"""In the place of that id: no region, all tiles."""
_MOST_POINTS = 20_000
"""Outlines with more points are shown simplified; what is stored and tested is not."""


def pick(run_id: str, region_id: str) -> None:
    """Look at a region, or at `ALL`."""
    st.session_state[_picked_key(run_id)] = region_id


def selected_region(run_id: str, rows: Sequence[RegionRow]) -> RegionRow | None:
    """Return the region that is looked at: as picked, else as the address says; it then does."""
    key, by_id = _picked_key(run_id), {row.region_id: row for row in rows}
    if key not in st.session_state:
        wanted, last = st.query_params.get(PARAMETER), st.session_state.get(f"last-{PARAMETER}")
        if wanted and wanted not in by_id and wanted != last:
            st.warning("The region of this link was deleted, or is another run's.")
        st.session_state[key] = next((i for i in (wanted, last) if i in by_id), ALL)
    elif st.session_state[key] not in by_id:  # deleted, perhaps in another window
        st.session_state[key] = ALL
    row = by_id.get(st.session_state[key])
    if row is not None:
        keep(PARAMETER, row.region_id)
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


@st.cache_data(max_entries=128, show_spinner=False)
def _tiles(
    run_id: str, state: int, _row: RegionRow, _prediction: Prediction
) -> npt.NDArray[np.bool_]:
    return as_region(_row).contains(_prediction.centres)


def outlines(rows: Sequence[RegionRow], chosen: RegionRow | None) -> list[dict[str, Any]]:
    """Return the regions as the viewer draws them: SVG paths in level-0 px, names, colours."""
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
    path = "".join(f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in ring[:-1])}Z" for ring in rings)
    corners = np.concatenate(rings)
    return {"path": path, "at": corners[corners[:, 1].argmin()].round(1).tolist()}


def report_errors(run_id: str, act: Callable[..., None], *arguments: Any) -> None:
    """Do what a reader asked for in a callback; a refusal stands on the page afterwards."""
    try:
        act(run_id, *arguments)
    except HistospaceError as error:
        say(run_id, str(error), refused=True)


def say(run_id: str, sentence: str, *, refused: bool = False) -> None:
    """Have a sentence stand on the page once."""
    st.session_state.setdefault(_said_key(run_id), []).append((sentence, refused))


def said(run_id: str) -> list[tuple[str, bool]]:
    """Return what is to be said, and whether it is a refusal; it is not said again."""
    sentences: list[tuple[str, bool]] = st.session_state.pop(_said_key(run_id), [])
    return sentences


def redrawn(run_id: str) -> RegionRow | None:
    """Return the region whose new outline the reader is about to draw."""
    row: RegionRow | None = st.session_state.get(_redrawn_key(run_id))
    return row


def begin_redrawing(run_id: str, row: RegionRow | None) -> None:
    """Let the next drawing be a region's new outline; None: a region of its own."""
    st.session_state[_redrawn_key(run_id)] = row


def take_drawing(run_id: str, points: Any) -> None:
    """Keep what was drawn: as a new region, or as the outline of the one to be redrawn."""
    catalog, former = get_context().catalog, redrawn(run_id)
    begin_redrawing(run_id, None)
    shape = Region.drawn("", points).geometry
    if former is not None:
        try:
            catalog.change_region(former, "redraw", shape=shape)
        except StoreError as error:  # the other window's outline stands; this one is not lost
            say(run_id, f"{error} Your drawing is kept as a new region.", refused=True)
        else:
            return
    colour = domain_colour(len(catalog.regions(run_id)))
    name = former.name if former else "Region"
    (row,) = catalog.add_regions(run_id, [Drawn(name, colour, shape)])
    pick(run_id, row.region_id)


def edit(run_id: str, row: RegionRow, name: str, colour: str) -> None:
    """Give a region another name or colour."""
    if (name, colour) != (row.name, row.colour):
        action = "rename" if name != row.name else "recolour"
        get_context().catalog.change_region(row, action, name=name, colour=colour)


def delete(run_id: str, row: RegionRow) -> None:
    """Delete a region; it can be undone."""
    get_context().catalog.change_region(row, "delete", deleted=True)


def undo(run_id: str, change: str) -> None:
    """Take back the newest change of the run's regions."""
    get_context().catalog.undo_change(run_id, change)


def bring(run_id: str, data: bytes, file: str, size: tuple[float, float]) -> None:
    """Make the annotations of a GeoJSON file regions, all or none; say what came of it."""
    catalog = get_context().catalog
    found = read_annotations(data, file, size)
    rows = catalog.regions(run_id)
    known = [(row.name, row.shape) for row in rows]
    new = [region for region in found.regions if (region.name, region.geometry) not in known]
    drawn = [
        Drawn(region.name, region.colour or domain_colour(len(rows) + number), region.geometry)
        for number, region in enumerate(new)
    ]
    if drawn:
        first, *_ = catalog.add_regions(run_id, drawn, "import")
        pick(run_id, first.region_id)
    same = len(found.regions) - len(new)
    sentences = [f"Regions from {file}: {len(new):,}."]
    if same:
        sentences.append(f"There already, unchanged: {same:,}.")
    say(run_id, " ".join([*sentences, *found.notes]))


def _picked_key(run_id: str) -> str:
    return f"region-{run_id}"


def _said_key(run_id: str) -> str:
    return f"said-{run_id}"


def _redrawn_key(run_id: str) -> str:
    return f"redrawn-{run_id}"
