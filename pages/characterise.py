"""Characterise: the tissue domains of a prediction, their markers and signatures."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from histospace_core.catalog import Kind, RunRow, State
from histospace_core.errors import HistospaceError
from histospace_core.exports.characterisation import StoredCharacterisation, open_characterisation
from histospace_core.server import get_context
from histospace_core.server.signature_lists import save_signatures
from histospace_core.web.characterise.domains import domains_view, headline, level_picker
from histospace_core.web.characterise.markers import markers_view
from histospace_core.web.characterise.regions import regions_view
from histospace_core.web.characterise.signatures import signatures_view
from histospace_core.web.widgets.download import download
from histospace_core.web.widgets.parts import choose_row, guarded, plain, run_picker, time_text
from histospace_core.web.widgets.run_progress import live_run

VIEWS = {
    "Domains": domains_view,
    "Markers": markers_view,
    "Signatures": signatures_view,
    "Regions": regions_view,
}


@guarded
def characterise() -> None:
    """Let the user choose a run, characterise it and view the result."""
    st.title("Characterise")
    run = run_picker()
    if run is None:
        return
    rows = _characterisations(run)
    active = [row for row in rows if row.is_active]
    done = [row for row in rows if row.state == State.DONE and row.directory.exists()]
    if active:
        live_run(active[0].id, "reading the prediction")
    elif rows and rows[0].state != State.DONE:
        _show_stopped(rows[0])
    with st.expander("New characterisation", expanded=not done and not active):
        _start(run, busy=bool(active))
    if not done:
        if not active:
            st.info("Domains, markers and signatures appear here once this run is characterised.")
        return
    row = done[0] if len(done) == 1 else choose_row("Result", "result", done, _title)
    stored = _open(row.id)
    level = level_picker(stored, row.id)
    headline(stored, level)
    view = st.segmented_control(
        "View", list(VIEWS), default=_view(), key="characterise-view", required=True
    )
    st.query_params["view"] = view
    VIEWS[view](run, stored, level)
    _downloads(run, stored, level)


def _view() -> str:
    wanted = st.query_params.get("view")
    return wanted if wanted in VIEWS else "Domains"


def _characterisations(run: RunRow) -> Sequence[RunRow]:
    """Characterisations of this run, newest first."""
    return get_context().catalog.runs(kinds=[Kind.CHARACTERISE], parent_id=run.id)


def _show_stopped(row: RunRow) -> None:
    st.error(plain(row.error or f"The last characterisation was {row.state} before it finished."))
    if st.button("Resume", icon=":material/resume:"):
        get_context().jobs.resume(row.id)
        st.rerun()


def _start(run: RunRow, *, busy: bool) -> None:
    """Let the user choose the settings of a characterisation and queue it."""
    catalog = get_context().catalog
    compared = {row.id: row for row in catalog.comparisons(run.id)}
    against = None
    if compared:
        against = st.selectbox(
            "Compare with measured expression",
            [*compared, None],
            format_func=lambda key: (
                f"{compared[key].measured_name} · {time_text(compared[key].created_at)}"
                if key
                else "no"
            ),
            help="States for each domain, marker and signature whether the measurement agrees.",
        )
    else:
        st.caption(
            "If you add measured expression of this section on the Compare page, domains, markers "
            "and signatures can be compared with it."
        )
    upload = st.file_uploader(
        "Your own signatures (GMT), instead of the built-in ones", type=["gmt"], max_upload_size=16
    )
    all_genes = st.toggle(
        "Include unreliable genes",
        help="By default, only genes that pass the model's reliability rule are used.",
    )
    if st.button("Characterise", type="primary", icon=":material/play_arrow:", disabled=busy):
        lists = save_signatures(run.directory, upload.getvalue()) if upload else None
        folder = compared[against].directory if against else None
        get_context().jobs.submit_characterisation(
            run.id, signatures=lists, comparison=folder, all_genes=all_genes
        )
        st.query_params.pop("result", None)  # else the page stays at an older result
        st.rerun()


def _title(row: RunRow) -> str:
    settings = row.settings
    parts = [time_text(row.created_at), "all genes" if settings["all_genes"] else "reliable genes"]
    if settings["comparison"]:
        parts.append("with measurement")
    if settings["signatures"]:
        parts.append("own signatures")
    return " · ".join(parts)


@st.cache_resource(max_entries=8)
def _open(row_id: str) -> StoredCharacterisation:
    return open_characterisation(get_context().catalog.run(row_id).directory)


def _downloads(run: RunRow, stored: StoredCharacterisation, level: int) -> None:
    """Offer the files of the result; the marker table is that of the level on screen."""
    resolution = stored.summary["levels"][level]["resolution"]
    files = {
        "Domains as CSV": Path("domains.csv"),
        "Markers of this level as CSV": Path("levels") / f"markers_{resolution:g}.csv",
        "Signatures as CSV": Path("signatures.csv"),
        "Domains for QuPath": Path("domains.geojson"),
        "Summary as JSON": Path("summary.json"),
    }
    with st.container(horizontal=True):
        for label, file in files.items():
            read = partial(_read, stored.folder / file)
            download(label, read, file.stem, run.id[:8], suffix=file.suffix)
    st.caption(
        "The QuPath file holds the level shown first, with "
        f"{stored.summary['levels'][stored.summary['chosen_level']]['n_domains']} domains; "
        "the CSV file holds every level."
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise HistospaceError(f"'{file.name}' is missing; characterise this run again.") from error


characterise()
