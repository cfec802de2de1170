"""Samples of HEST-1k, by id, from the Hugging Face hub.

Jaume et al. 2024, arXiv:2406.16192. The paths `st/<ID>.h5ad`, `wsis/<ID>.tif`,
`metadata/<ID>.json` and the fields of the metadata (`pixel_size_um_estimated`, `patient`,
`dataset_title`, `license`) were checked in the repository `mahmoodlab/HEST` and in scripts that
read them. The data are gated and were not downloaded for these checks.

`huggingface_hub` looks up the commit, size and checksum of each file and finds the user's token.
Our own downloader then fetches the files at that commit, because `hf_hub_download` deletes a
partial file when the connection breaks for good, and images of HEST have several gigabytes.

Known problems: in some samples positions are swapped or mirrored, in others outside the image
(TENX92, HEST issue 40); the alignment check of `fetch_cohort` corrects both. `patient` is
"Patient 1" in many studies, so patient ids here include the study.
"""

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import HfFileMetadata, get_hf_file_metadata, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from histospace_core.errors import CohortError
from histospace_core.public_cohorts.download import RemoteFile, refusal, unreachable
from histospace_core.public_cohorts.resume import TIMEOUT_S
from histospace_core.public_cohorts.source import Fetch, PublicSection, Source

PATHS = ("metadata/{}.json", "st/{}.h5ad", "wsis/{}.tif")
HUB = "https://huggingface.co"
REFUSED = (
    "HEST is gated: accept its terms on huggingface.co/datasets/MahmoodLab/hest with your account "
    "and set HF_TOKEN to an access token of it, or run `hf auth login`"
)
_HUB_ADDRESS = re.compile(r"(?P<data_set>.+/datasets/[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)")
_COMMIT = re.compile("[0-9a-f]{40}")


def hub() -> str:
    """Return the address of the hub; HF_ENDPOINT can change it."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


class Hest(Source):
    """Samples of HEST-1k by id."""

    name = "hest"
    example = "hest:TENX99"
    title = "Samples of HEST-1k"
    page = "https://huggingface.co/datasets/MahmoodLab/hest"
    licence = (
        "unverified; its repository states CC BY-NC-SA 4.0, and each sample is under the licence "
        "of its study"
    )
    citation = (
        "Jaume G et al. HEST-1k: a dataset for spatial transcriptomics and histology image "
        "analysis. arXiv 2024; 2406.16192."
    )
    caveats = (
        "Positions of some samples are swapped or mirrored: the spots of each were compared with "
        "its tissue in all eight orientations, see below.",
        "A sample whose metadata name no patient counts as a separate patient: sections of one "
        "person may then be on both sides of a split.",
    )
    needs_ids = True

    @property
    def base_url(self) -> str:  # type: ignore[override]
        """Return the address of the data set on the hub."""
        return f"{hub()}/datasets/MahmoodLab/hest/resolve/main"

    def files(self, ids: Sequence[str], base_url: str, fetch: Fetch) -> list[RemoteFile]:
        """Return metadata, expression and image of each sample."""
        token = _token(base_url)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        look_up = (
            _look_up if _HUB_ADDRESS.fullmatch(base_url) else None
        )  # a plain mirror has no metadata to look up
        paths = [path.format(name) for name in ids for path in PATHS]
        return [
            RemoteFile(p, f"{base_url}/{p}", headers=headers, refused=REFUSED, look_up=look_up)
            for p in paths
        ]

    def pin(self, ids: Sequence[str], base_url: str, about: str) -> str:
        """Return the address of one commit of the data set, so that all files belong together.

        Raises
        ------
        DownloadError
            The hub cannot be reached, refuses access, or has no such sample.
        """
        address = _HUB_ADDRESS.fullmatch(base_url)
        if address is None or _COMMIT.fullmatch(address["revision"]):
            return base_url
        earlier = re.search(f"{re.escape(address['data_set'])}/resolve/{_COMMIT.pattern}", about)
        if earlier:
            return earlier[0]
        (first, *_) = self.files(ids, base_url, _no_listing)  # any file tells the commit
        commit = _metadata(first).commit_hash
        return f"{address['data_set']}/resolve/{commit}" if commit else base_url

    def sections(self, ids: Sequence[str], folder: Path) -> list[PublicSection]:
        """Return the samples as sections."""
        return [_section(name, folder) for name in ids]


def _no_listing(file: RemoteFile) -> Path:
    raise NotImplementedError  # HEST needs no listing: the id of a sample gives its paths


def _token(base_url: str) -> str | None:
    """Return the user's token for the hub, or None for a mirror, which must not receive it."""
    return get_token() if urlsplit(base_url).netloc == urlsplit(hub()).netloc else None


def _metadata(file: RemoteFile) -> HfFileMetadata:
    """Ask the hub for a file's size, checksum and commit."""
    try:  # False sends no token; with None the library would look for one
        return get_hf_file_metadata(file.url, token=_token(file.url) or False, timeout=TIMEOUT_S)
    except HfHubHTTPError as error:
        raise refusal(file, error.response.status_code) from error
    except (httpx2.TransportError, OfflineModeIsEnabled) as error:
        raise unreachable(urlsplit(file.url).hostname or file.url) from error


def _look_up(file: RemoteFile) -> RemoteFile:
    """Return the file with the size and checksum that the hub states.

    The ETag of a large file is its SHA-256; the ETag of any other file is its git id.
    """
    metadata = _metadata(file)
    kind = {64: "sha256", 40: "git"}.get(len(metadata.etag or ""))
    digest = f"{kind}:{metadata.etag}" if kind else ""
    return replace(file, size=metadata.size, digest=digest)


def _section(name: str, folder: Path) -> PublicSection:
    try:
        metadata = json.loads((folder / f"metadata/{name}.json").read_text(encoding="utf-8"))
        mpp = float(metadata["pixel_size_um_estimated"])
    except (ValueError, KeyError, TypeError) as error:
        raise CohortError(
            f"'metadata/{name}.json' states no pixel size (pixel_size_um_estimated); "
            "choose another sample."
        ) from error
    if not (math.isfinite(mpp) and mpp > 0):
        raise CohortError(
            f"'metadata/{name}.json' states a pixel size of {mpp}; choose another sample."
        )
    licence = _text(metadata, "license")
    return PublicSection(
        name,
        _patient(name, metadata),
        f"wsis/{name}.tif",
        f"st/{name}.h5ad",
        mpp=mpp,
        mpp_from="pixel_size_um_estimated in its metadata",
        notes=(f"licence according to its metadata: {licence}",) if licence else (),
    )


def _patient(name: str, metadata: dict[str, Any]) -> str:
    patient, study = _text(metadata, "patient"), _text(metadata, "dataset_title")
    return f"{study}: {patient}" if patient and study else name


def _text(metadata: dict[str, Any], key: str) -> str:
    value = metadata.get(key)
    missing = value is None or (isinstance(value, float) and math.isnan(value))  # pandas writes NaN
    return "" if missing else " ".join(str(value).split())
