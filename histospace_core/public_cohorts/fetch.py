"""Download a public cohort by name into a folder that `read_cohort` reads."""

import csv
import datetime
import io
from dataclasses import dataclass
from pathlib import Path

from histospace_core.errors import CohortError
from histospace_core.files import disk_errors, sha256, write_bytes
from histospace_core.progress import OnProgress, no_progress
from histospace_core.public_cohorts.check import CheckedSection, check_section
from histospace_core.public_cohorts.download import (
    SUMS,
    RemoteFile,
    download_files,
)
from histospace_core.public_cohorts.registry import find_source
from histospace_core.public_cohorts.source import Source

TABLE, ABOUT = "cohort.csv", "SOURCE.md"
COLUMNS = ("section", "patient", "image", "counts", "spots", "mpp")


@dataclass(frozen=True)
class FetchedCohort:
    """A cohort on disk.

    Attributes
    ----------
    table : its `cohort.csv`, with the usable sections.
    checked : all sections, with the result of the alignment check.
    """

    table: Path
    checked: list[CheckedSection]

    @property
    def used(self) -> list[CheckedSection]:
        return [found for found in self.checked if found.usable]


def fetch_cohort(
    name: str, folder: Path, base_url: str | None = None, on_progress: OnProgress = no_progress
) -> FetchedCohort:
    """Download, unpack and check a public cohort; files already in the folder are kept.

    Parameters
    ----------
    name : `her2st`, `stnet`, `10x-visium:<id>`, `hest:<id>`; separate several ids by commas.
    folder : new, empty, or of an earlier download of the same name, which is then completed.
    base_url : address of a mirror with the same folders as the source.
    on_progress : called with the bytes done, all bytes and the file as stage; may raise to stop.

    Raises
    ------
    CohortError
        No such cohort, a folder with other content, or no usable section.
    DownloadError
        The files cannot be downloaded.
    StoreError
        The folder cannot be written.
    """
    source, ids = find_source(name)
    title = f"{source.name}:{','.join(ids)}" if ids else source.name
    base = (base_url or source.base_url).rstrip("/")
    _claim(folder, title)
    base = source.pin(ids, base, _earlier_about(folder))

    def fetch(file: RemoteFile) -> Path:
        return download_files([file], folder, on_progress)[0]

    files = source.files(ids, base, fetch)
    download_files(files, folder, on_progress)
    with disk_errors(folder):
        checked = [check_section(section, folder) for section in source.sections(ids, folder)]
        cohort = FetchedCohort(folder / TABLE, checked)
        write_bytes(folder / SUMS, _sums(files, folder).encode())
        # Written even if no section can be used, for it says why.
        write_bytes(folder / ABOUT, _about(title, source, base, checked).encode())
        if not cohort.used:
            raise CohortError(f"No section of {title} can be used: {checked[0].message}")
        _write_table(cohort)
    return cohort


def _claim(folder: Path, title: str) -> None:
    """Refuse a folder that holds another cohort."""
    if folder.exists() and not folder.is_dir():
        raise CohortError(f"'{folder}' is a file; choose a new folder.")
    if about := _earlier_about(folder):
        held = about.partition("\n")[0].removeprefix("# ")
        if held != title:
            raise CohortError(f"'{folder}' holds the cohort {held}; choose a new folder.")
    elif (folder / TABLE).exists():
        raise CohortError(f"'{folder}' holds a cohort of another origin; choose a new folder.")


def _earlier_about(folder: Path) -> str:
    about = folder / ABOUT
    return about.read_text(encoding="utf-8") if about.is_file() else ""


def _sums(files: list[RemoteFile], folder: Path) -> str:
    return "".join(f"{sha256(folder / file.path)}  {file.path}\n" for file in files)


def _write_table(cohort: FetchedCohort) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for s in (found.section for found in cohort.used):
        # An empty `mpp`: the image states its own.
        writer.writerow([s.name, s.patient, s.image, s.counts, s.spots, s.mpp or ""])
    write_bytes(cohort.table, text.getvalue().encode())


def _about(title: str, source: Source, base: str, checked: list[CheckedSection]) -> str:
    today = datetime.datetime.now(tz=datetime.UTC).date()
    caveats = "\n".join(f"- {caveat}" for caveat in source.caveats)
    return f"""# {title}

{source.title}

- Source: {source.page}
- Downloaded from: {base} ({today})
- Licence: {source.licence}
- Cite: {source.citation}
- Checksums of all downloaded files: `{SUMS}` (`sha256sum -c {SUMS}`)

## Known problems of the data

{caveats}

## Sections

The spots of each section were compared with its tissue in all eight orientations.

{"".join(map(_section, checked))}"""


def _section(found: CheckedSection) -> str:
    section = found.section
    lines = [
        f"### {section.name}",
        "",
        f"- Patient: {section.patient}",
        f"- Pixel size: {section.mpp:g} um/px ({section.mpp_from})"
        if section.mpp
        else f"- Pixel size: from {section.mpp_from}",
        f"- Spots: {found.n_spots}",
        f"- Orientation that fits: {found.orientation or 'none, LEFT OUT of the cohort table'}",
        f"- {found.message}",
        *([f"- Corrected positions: `{section.counts}`"] if found.corrected else []),
        *(f"- {note}" for note in section.notes),
    ]
    return "\n".join(lines) + "\n\n"
