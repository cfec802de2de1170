"""Export: a report, and files for other programs."""

from collections.abc import Sequence

import streamlit as st

from histospace_core.catalog import Kind, RunRow, State
from histospace_core.catalog.records import ExportRecord
from histospace_core.exports import FORMS
from histospace_core.inference import Prediction, open_prediction
from histospace_core.server import get_context, run_file_url
from histospace_core.web.widgets.parts import (
    guarded,
    plain,
    run_picker,
    state_badge,
    time_text,
)
from histospace_core.web.widgets.run_progress import live_run

OFFERS = {
    "Report (PDF)": (
        "report",
        ".pdf",
        "To read, print or archive: slide, quality, scores and maps.",
    ),
    "Report (web page)": ("report", ".html", "The same report as one file that any browser opens."),
    "AnnData (h5ad)": ("h5ad", ".h5ad", "For scanpy and squidpy, with an overview of the slide."),
    "SpatialData (zarr)": (
        "spatialdata",
        ".zarr",
        "For spatialdata and napari; unpack the ZIP first.",
    ),
    "QuPath (GeoJSON)": (
        "geojson",
        ".geojson",
        "Tiles as detections; drag the file onto the slide.",
    ),
    "Gene maps (OME-TIFF)": ("ometiff", ".ome.tif", "One channel per gene, over the whole slide."),
    "Table (CSV)": ("csv", ".csv", "One row per tile, for a spreadsheet, pandas or R."),
}


@guarded
def export() -> None:
    """Let the user choose a run and a format, make the file and download it."""
    st.title("Export")
    run = run_picker()
    if run is None:
        return
    prediction = _open(run.id)
    form, files = st.columns([3, 2], gap="large")
    with form:
        _make(run, prediction)
    with files:
        _files(run)


@st.cache_resource(max_entries=8)
def _open(run_id: str) -> Prediction:
    return open_prediction(get_context().catalog.run(run_id).directory)


def _make(run: RunRow, prediction: Prediction) -> None:
    offer = st.radio("Format", list(OFFERS), captions=[caption for *_, caption in OFFERS.values()])
    kind, suffix, _ = OFFERS[offer]
    n_default = FORMS[kind].n_genes
    default = "all genes" if n_default is None else f"the {n_default} most reliable"
    ranked = prediction.var.sort_values(
        ["reliable", "held_out_pearson"], ascending=False, na_position="last"
    )
    genes = st.multiselect(
        f"Genes ({len(ranked):,} available)",
        list(ranked.index),
        placeholder=f"{default}, or choose",
        key=f"genes-{run.id}",
    )
    if st.button("Make the file", type="primary", icon=":material/play_arrow:"):
        get_context().jobs.submit_export(run.id, kind, suffix, genes)
        st.rerun()


def _exports(run: RunRow) -> Sequence[RunRow]:
    """Exports of this run, newest first."""
    return get_context().catalog.runs(kinds=[Kind.EXPORT], parent_id=run.id)


def _files(run: RunRow) -> None:
    st.subheader("Files of this run", anchor=False)
    rows = _exports(run)
    if not rows:
        st.info("Files that you make appear here. They stay on this machine until you delete them.")
    for row in rows:
        with st.container(border=True):
            _file(row)


def _file(row: RunRow) -> None:
    if row.is_active:
        st.markdown(f"**{_title(row)}**")
        live_run(row.id, "reading the prediction")
        return
    if row.state == State.DONE:
        assert isinstance(row.record, ExportRecord)
        name, size = row.record.file, row.record.bytes
        st.markdown(f"**{_title(row)}** · {_size(size)} · {plain(time_text(row.created_at))}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.link_button("Download", run_file_url(row.id, name), icon=":material/download:")
            _delete(row)
        return
    st.markdown(f"**{_title(row)}**")
    state_badge(row)
    if row.error:
        st.error(plain(row.error))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Resume", key=f"resume-{row.id}", icon=":material/resume:"):
            get_context().jobs.resume(row.id)
            st.rerun()
        _delete(row)


def _title(row: RunRow) -> str:
    offers = {(kind, suffix): label for label, (kind, suffix, _) in OFFERS.items()}
    label = offers.get((row.settings["form"], row.settings["suffix"]), row.settings["form"])
    genes = row.settings["genes"]
    if not genes:
        return plain(label)
    return plain(f"{label}, {', '.join(genes) if len(genes) <= 3 else f'{len(genes)} genes'}")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.0f} kB"


def _delete(row: RunRow) -> None:
    if st.button("Delete", key=f"delete-{row.id}", icon=":material/delete:", type="tertiary"):
        get_context().catalog.delete_run(row.id)
        st.rerun()


export()
