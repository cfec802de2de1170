"""her2st: 36 sections of 8 patients with HER2-positive breast cancer, legacy ST.

Andersson et al. 2021, Nature Communications 12:6012. Sections, spot files and counts were checked
in the public repository `almaan/her2st`. The label files use other coordinates: on section B1, the
`pixel_x, pixel_y` of `*_labeled_coordinates.tsv` refer to a smaller image with y upwards (spot 9x27
is at 1000.5, 1015.1 there and at 2316.2, 7561.7 in the spot file). They are not positions in the
published image, so labels are not downloaded; positions come from `ST-spotfiles` only.

Five sections are pinned to the size and SHA-256 of the files that this project was tested on. For
the other 31, size and git id come from GitHub's listing of the repository.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from histospace_core.errors import CohortError
from histospace_core.progress import OnProgress, no_progress
from histospace_core.public_cohorts.download import RemoteFile, download_files
from histospace_core.public_cohorts.her2st_pins import PINNED
from histospace_core.public_cohorts.source import Fetch, PublicSection, Source

MPP = 0.69  # spots are 200 um apart, about 290 px
LISTING = "tree.json"
LISTING_URL = "https://api.github.com/repos/almaan/her2st/git/trees/master?recursive=1"


class Her2st(Source):
    """The sections of Andersson et al. 2021, all or by name."""

    name = "her2st"
    example = "her2st or her2st:B4,C5"
    title = "HER2-positive breast cancer, 36 sections of 8 patients, legacy ST"
    page = "https://github.com/almaan/her2st"
    licence = "unverified: the repository has no licence file (deposit: Zenodo 4751624)"
    citation = (
        "Andersson A et al. Spatial deconvolution of HER2-positive breast cancer delineates "
        "tumor-associated cell type interactions. Nature Communications 2021; 12:6012."
    )
    base_url = "https://raw.githubusercontent.com/almaan/her2st/master/data"
    caveats = (
        "The pathologist's labels (`*_labeled_coordinates.tsv`) are not downloaded: their pixel "
        "positions refer to a smaller image with y upwards. Join them by array position.",
        "Some spots have no counts, and some counted spots lie off the tissue: spots in both "
        "files are used.",
    )

    def check_ids(self, ids: Sequence[str]) -> None:
        """Refuse names that are not sections of the study."""
        for name in ids:
            if not re.fullmatch("[A-H][1-6]", name):
                raise CohortError(f"her2st has no section '{name}'; sections are A1 to H3.")

    def files(self, ids: Sequence[str], base_url: str, fetch: Fetch) -> list[RemoteFile]:
        """Return image, counts and spots of each section."""
        # No listing is needed, and a mirror may lack it.
        if ids and all(name in PINNED for name in ids):
            return [file for name in ids for file in pinned_files(name, base_url)]
        url = LISTING_URL if base_url == self.base_url else f"{base_url}/{LISTING}"
        listed = _listed(fetch(RemoteFile(LISTING, url)))
        return [f for name in ids or sorted(listed) for f in _files(name, listed, base_url)]

    def sections(self, ids: Sequence[str], folder: Path) -> list[PublicSection]:
        """Return the sections; the letter in a name is the patient."""
        names = ids or sorted(_listed(folder / LISTING))
        return [
            PublicSection(
                name,
                name[0],
                next((folder / f"ST-imgs/{name[0]}/{name}").glob("*.jpg"))
                .relative_to(folder)
                .as_posix(),
                f"ST-cnts/{name}.tsv.gz",
                f"ST-spotfiles/{name}_selection.tsv",
                MPP,
                "spots are 200 um apart, about 290 px",
            )
            for name in names
        ]


def pinned_files(section: str, base_url: str) -> tuple[RemoteFile, RemoteFile, RemoteFile]:
    """Return image, counts and spots of a pinned section."""
    base = base_url.rstrip("/")
    image, counts, spots = (
        RemoteFile(path, f"{base}/{path}", size, f"sha256:{sha256}")
        for path, size, sha256 in PINNED[section]
    )
    return image, counts, spots


def fetch_section(
    section: str,
    folder: Path,
    base_url: str,
    on_progress: OnProgress = no_progress,
) -> PublicSection:
    """Download one pinned section into `folder`.

    Parameters
    ----------
    section : one of `PINNED`.
    folder : created if absent.
    base_url : address of the repository's `data/` folder, or of a mirror of it.
    on_progress : called with the bytes done, all bytes and the file as stage; may raise to stop.

    Raises
    ------
    DownloadError
        No network, no such file, or the server sent a different file.
    StoreError
        The folder cannot be written.
    """
    download_files(pinned_files(section, base_url), folder, on_progress)
    return Her2st().sections([section], folder)[0]


def _listed(listing: Path) -> dict[str, list[dict[str, Any]]]:
    """Return section -> entries of image, counts and spots in GitHub's listing."""
    try:
        tree = json.loads(listing.read_text(encoding="utf-8"))["tree"]
        by_path = {str(e["path"]).removeprefix("data/"): e for e in tree if e["type"] == "blob"}
        images: dict[str, dict[str, Any]] = {}
        for path, entry in by_path.items():
            if match := re.fullmatch(r"ST-imgs/[A-H]/([A-H][1-6])/[\w.-]+\.jpg", path):
                images.setdefault(match.group(1), {**entry, "path": path})
        sections = {}
        for name, image in images.items():
            paths = (f"ST-cnts/{name}.tsv.gz", f"ST-spotfiles/{name}_selection.tsv")
            sections[name] = [image, *({**by_path[p], "path": p} for p in paths)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        listing.unlink(missing_ok=True)  # a file in the folder is not downloaded again
        raise CohortError(
            "The listing of the her2st repository has another format than expected; fetch the "
            f"pinned sections instead: her2st:{','.join(PINNED)}."
        ) from error
    return sections


def _files(
    section: str, listed: dict[str, list[dict[str, Any]]], base_url: str
) -> list[RemoteFile]:
    if section not in listed:
        raise CohortError(f"her2st has no section '{section}'; it has {', '.join(sorted(listed))}.")
    if section in PINNED:
        return list(pinned_files(section, base_url))
    return [
        RemoteFile(e["path"], f"{base_url}/{e['path']}", int(e["size"]), f"git:{e['sha']}")
        for e in listed[section]
    ]
