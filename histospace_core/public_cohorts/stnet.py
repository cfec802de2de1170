"""ST-Net's cohort: 68 sections of 23 patients with breast cancer, legacy ST.

He et al. 2020, Nature Biomedical Engineering 4:827; Mendeley Data 29ntw7sh4r, version 5. The
files were inferred from scripts in public repositories that read them: `metadata.csv` with the
columns `type,patient,replicate,count_matrix,histology_image,spot_coordinates,tumor_annotation`;
`BC23287_C1_stdata.tsv.gz` (spots `XxY` x Ensembl ids), `HE_BT23287_C1.jpg`,
`spots_BT23287_C1.csv.gz` (index `XxY`, columns X, Y: pixel column and row, under tissue only). The
fields of the listing (`files[].filename`, `.size`, `.content_details.sha256_hash`,
`.download_url`) come from such scripts too; nothing was downloaded from Mendeley to check them.

File names of one patient mix the prefixes BC and BT, so patient ids are made from the number.
"""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from histospace_core.errors import CohortError
from histospace_core.expression.spots import read_spots
from histospace_core.public_cohorts.download import RemoteFile
from histospace_core.public_cohorts.pixel_size import legacy_um, pixel_size
from histospace_core.public_cohorts.resume import DownloadError
from histospace_core.public_cohorts.source import Fetch, PublicSection, Source, require_file_name

LISTING, METADATA = "listing.json", "metadata.csv"
PARTS = ("histology_image", "count_matrix", "spot_coordinates")
NUMBER = re.compile(r"B[CT](\d+)")


def patient_id(name: str) -> str:
    """Return the id of a patient: `BC23287` for BT23287, BC23287 and the names of their files.

    Raises
    ------
    CohortError
        The name contains no such number.
    """
    match = NUMBER.search(name)
    if match is None:
        raise CohortError(f"'{name[:80]}' names no patient of ST-Net (BC or BT and a number).")
    return f"BC{match.group(1)}"


class StNet(Source):
    """The sections of He et al. 2020: all, or by patient or section."""

    name = "stnet"
    example = "stnet or stnet:BC23287"
    title = "Breast cancer, 68 sections of 23 patients, legacy ST (the data of ST-Net)"
    page = "https://data.mendeley.com/datasets/29ntw7sh4r/5"
    licence = "unverified: see the page of the deposit"
    citation = (
        "He B et al. Integrating spatial gene expression and breast tumour morphology via deep "
        "learning. Nature Biomedical Engineering 2020; 4:827-834."
    )
    base_url = "https://data.mendeley.com/public-api/datasets/29ntw7sh4r"
    caveats = (
        "File names of one patient have the prefixes BC and BT; ids are made from the number, so "
        "that a patient counts once.",
        "The tumour labels (`*_Coords.tsv.gz`) are not downloaded: their header is shifted by a "
        "column, and they contain array positions only.",
    )

    def files(self, ids: Sequence[str], base_url: str, fetch: Fetch) -> list[RemoteFile]:
        """Return image, counts and spots of each section from the listing."""
        listing = fetch(RemoteFile(LISTING, f"{base_url}?version=5"))
        listed = _listed(listing, base_url)
        metadata = fetch(_find(listed, METADATA))
        return [
            replace(_find(listed, row[part]), path=f"{part}/{row[part]}")
            for row in _rows(metadata, ids)
            for part in PARTS
        ]

    def sections(self, ids: Sequence[str], folder: Path) -> list[PublicSection]:
        """Return the sections, with pixel sizes measured from their spots."""
        return [_section(row, folder) for row in _rows(folder / METADATA, ids)]


def _listed(listing: Path, base_url: str) -> dict[str, RemoteFile]:
    try:
        entries = json.loads(listing.read_text(encoding="utf-8"))["files"]
        files = [
            RemoteFile(
                require_file_name(str(e["filename"]), "The listing"),
                str(e["content_details"]["download_url"]),
                int(e["size"]),
                f"sha256:{e['content_details']['sha256_hash']}",
            )
            for e in entries
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        listing.unlink(missing_ok=True)  # a file in the folder is not downloaded again
        raise CohortError(
            "Mendeley's listing of 29ntw7sh4r has another format than expected; try again, or "
            f"download the files by hand from {StNet.page}."
        ) from error
    for file in files:
        if urlsplit(base_url).scheme == "https" and urlsplit(file.url).scheme != "https":
            raise DownloadError(
                f"The listing gives an address without encryption for {file.name}, so nothing was "
                "downloaded; use another mirror."
            )
    return {file.path: file for file in files}


def _find(listed: dict[str, RemoteFile], name: str) -> RemoteFile:
    if name not in listed:
        raise CohortError(f"Mendeley's listing of 29ntw7sh4r has no file '{name[:80]}'.")
    return listed[name]


def _rows(metadata: Path, ids: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of `ids`, or all, with unified `patient` ids and a column `section`."""
    # A byte order mark would become part of the first column's name.
    with metadata.open(newline="", encoding="utf-8-sig") as stream:
        # DictReader has None as the key of surplus cells and as the value of missing ones.
        rows = [
            {k: (v or "").strip() for k, v in row.items() if k} for row in csv.DictReader(stream)
        ]
    if not rows or not {"patient", "replicate", *PARTS} <= set(rows[0]):
        raise CohortError(f"'{METADATA}' of ST-Net lacks expected columns; use another mirror.")
    for row in rows:
        row["patient"] = patient_id(row["patient"])
        row["section"] = require_file_name(f"{row['patient']}_{row['replicate']}", METADATA)
        for part in PARTS:
            require_file_name(row[part], METADATA)
    # BT23287_C1 names a section, BT23287 all sections of a patient.
    wanted = {patient_id(name) + name[name.find("_") :] * ("_" in name) for name in ids}
    known = {row[column] for row in rows for column in ("patient", "section")}
    if wanted - known:
        raise CohortError(f"ST-Net has no patient or section '{min(wanted - known)}'.")
    return [row for row in rows if not wanted or {row["patient"], row["section"]} & wanted]


def _section(row: dict[str, str], folder: Path) -> PublicSection:
    foreign_files = [row[p] for p in PARTS if patient_id(row[p]) != row["patient"]]
    if foreign_files:
        raise CohortError(
            f"'{METADATA}' gives the file {foreign_files[0]} to patient {row['patient']}; remove "
            "the section from it and run the command again."
        )
    image, counts, spots = (f"{part}/{row[part]}" for part in PARTS)
    positions = read_spots(folder / spots)
    array = np.array([spot.split("x") for spot in positions.index], dtype=np.float64)
    pixels = positions[["pixel_x", "pixel_y"]].to_numpy(dtype=np.float64)
    mpp = pixel_size(legacy_um(array), pixels, row["section"])
    return PublicSection(
        row["section"],
        row["patient"],
        image,
        counts,
        spots,
        round(mpp, 4),
        "measured: the spots are 200 um apart on the array",
        (f"type: {row['type']}",) if row.get("type") else (),
    )
