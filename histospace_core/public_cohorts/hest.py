"""Samples of HEST-1k, by id, from the Hugging Face hub.

Jaume et al. 2024, arXiv:2406.16192. The layout `st/<ID>.h5ad`, `wsis/<ID>.tif`,
`metadata/<ID>.json` and the fields of the metadata (`pixel_size_um_estimated`, `patient`,
`dataset_title`, `license`) were checked in the repository `mahmoodlab/HEST` and in scripts that
read them; the data are gated and were not fetched here.

Traps: positions are swapped or mirrored in some samples and outside the image in others (TENX92,
HEST issue 40), which the alignment check of `fetch_cohort` mends; `patient` is "Patient 1" in many
studies, so an id here holds the study too.
"""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from histospace_core.errors import CohortError
from histospace_core.public_cohorts.download import RemoteFile
from histospace_core.public_cohorts.source import Fetch, PublicSection, Source

PATHS = ("metadata/{}.json", "st/{}.h5ad", "wsis/{}.tif")
HUB = "https://huggingface.co"
REFUSED = (
    "HEST is gated: accept its terms on huggingface.co/datasets/MahmoodLab/hest with your account "
    "and set HF_TOKEN to an access token of it"
)


def hub() -> str:
    """Return the address of the hub, which HF_ENDPOINT may set."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


class Hest(Source):
    """Samples of HEST-1k by id."""

    name = "hest"
    example = "hest:TENX99"
    title = "Samples of HEST-1k"
    page = "https://huggingface.co/datasets/MahmoodLab/hest"
    licence = (
        "unverified; its repository states CC BY-NC-SA 4.0, and each sample has the licence of "
        "its study"
    )
    citation = (
        "Jaume G et al. HEST-1k: a dataset for spatial transcriptomics and histology image "
        "analysis. arXiv 2024; 2406.16192."
    )
    caveats = (
        "Positions of some samples are swapped or mirrored: each was compared with the tissue in "
        "all eight orientations, see below.",
        "Where the metadata name no patient, a sample counts as a patient of its own: sections of "
        "one person may then stand on both sides of a split.",
    )
    needs_ids = True

    @property
    def base_url(self) -> str:  # type: ignore[override]
        """Address of the data set on the hub."""
        return f"{hub()}/datasets/MahmoodLab/hest/resolve/main"

    def files(self, ids: Sequence[str], base_url: str, fetch: Fetch) -> list[RemoteFile]:
        """Return metadata, expression and image of each sample."""
        headers = _authorisation(base_url)
        paths = [path.format(name) for name in ids for path in PATHS]
        return [RemoteFile(p, f"{base_url}/{p}", headers=headers, refused=REFUSED) for p in paths]

    def sections(self, ids: Sequence[str], folder: Path) -> list[PublicSection]:
        """Return the samples as sections."""
        return [_section(name, folder) for name in ids]


def _authorisation(base_url: str) -> dict[str, str]:
    """The token goes to the hub only, never to a mirror."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token or urlsplit(base_url).netloc != urlsplit(hub()).netloc:
        return {}
    return {"Authorization": f"Bearer {token}"}


def _section(name: str, folder: Path) -> PublicSection:
    try:
        metadata = json.loads((folder / f"metadata/{name}.json").read_text(encoding="utf-8"))
        mpp = float(metadata["pixel_size_um_estimated"])
    except (ValueError, KeyError, TypeError) as error:
        raise CohortError(
            f"'metadata/{name}.json' states no pixel size (pixel_size_um_estimated)."
        ) from error
    if not (math.isfinite(mpp) and mpp > 0):
        raise CohortError(f"'metadata/{name}.json' states a pixel size of {mpp}.")
    licence = _text(metadata, "license")
    return PublicSection(
        name,
        _patient(name, metadata),
        f"wsis/{name}.tif",
        f"st/{name}.h5ad",
        mpp=mpp,
        mpp_from="pixel_size_um_estimated of its metadata",
        notes=(f"licence by its metadata: {licence}",) if licence else (),
    )


def _patient(name: str, metadata: dict[str, Any]) -> str:
    patient, study = _text(metadata, "patient"), _text(metadata, "dataset_title")
    return f"{study}: {patient}" if patient and study else name


def _text(metadata: dict[str, Any], key: str) -> str:
    value = metadata.get(key)
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else " ".join(str(value).split())
