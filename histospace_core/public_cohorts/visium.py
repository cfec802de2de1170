"""Visium data sets of 10x Genomics, as Space Ranger folders with the full-resolution image.

The paths `<version>/<id>/<id>_filtered_feature_bc_matrix.h5`, `_spatial.tar.gz`, `_image.tif` (or
`_tissue_image.tif` for CytAssist, whose `_image.tif` is the unaligned picture of the instrument)
come from addresses in public tutorials and scripts.

The pixel size is measured from the array, whose spots are 100 um apart. `spot_diameter_fullres` is
recorded, but not used: a spot is 55 um wide, but the value of Space Ranger corresponds to 65 um
(V1_Adult_Mouse_Brain: 89.4 px at 0.725 um/px), so 55 um would give a pixel size 15 % too small.
"""

import json
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histospace_core.errors import CohortError
from histospace_core.expression.positions import POSITIONS, read_positions
from histospace_core.public_cohorts.download import RemoteFile, exists
from histospace_core.public_cohorts.pixel_size import pixel_size, visium_um
from histospace_core.public_cohorts.resume import DownloadError
from histospace_core.public_cohorts.source import FILE_NAME, Fetch, PublicSection, Source

# The newest first, for the first one found is taken.
VERSIONS = ("3.1.2", "3.0.0", "2.1.0", "2.0.1", "2.0.0", "1.3.0", "1.2.0", "1.1.0", "1.0.0")
MATRIX, SPATIAL = "filtered_feature_bc_matrix.h5", "spatial.tar.gz"
# In this order: `image.tif` of CytAssist is not the tissue image.
IMAGES = ("tissue_image.tif", "image.tif", "tissue_image.btf", "image.jpg")
SCALES = "scalefactors_json.json"
# A hostile archive must not fill the disk.
LARGEST_MEMBER = 512 * 2**20  # bytes
DONOR = re.compile(r"_(section|rep|replicate|slice)_?\d+$", re.IGNORECASE)


class Visium(Source):
    """Data sets of 10x Genomics by name, or by `<version>/<id>` for one version."""

    name = "10x-visium"
    example = "10x-visium:V1_Adult_Mouse_Brain"
    title = "Visium data sets of 10x Genomics"
    page = "https://www.10xgenomics.com/datasets"
    licence = "unverified: see the page of the data set"
    citation = "10x Genomics, data set as named, Space Ranger version as in the address."
    base_url = "https://cf.10xgenomics.com/samples/spatial-exp"
    caveats = (
        "Pixel sizes are measured from the distance of the spots (100 um). The spot diameter in "
        "scalefactors_json.json is not used: in some versions it corresponds to 65 um, not to the "
        "55 um of a spot.",
        "10x Genomics names no donors; data sets whose names differ only in _Section_n or _Rep_n "
        "at the end count as one patient. Correct `cohort.csv` if you know the donors.",
    )
    needs_ids = True

    def check_ids(self, ids: Sequence[str]) -> None:
        """Refuse ids that are not `<id>` or `<version>/<id>`."""
        super().check_ids([part for name in ids for part in name.split("/", 1)])

    def files(self, ids: Sequence[str], base_url: str, fetch: Fetch) -> list[RemoteFile]:
        """Return matrix, spatial archive and image of each data set."""
        return [file for name in ids for file in _files(name, base_url)]

    def sections(self, ids: Sequence[str], folder: Path) -> list[PublicSection]:
        """Return the sections, their spatial folders unpacked."""
        return [_section(name.rsplit("/", 1)[-1], folder) for name in ids]


def _files(name: str, base_url: str) -> list[RemoteFile]:
    given, _, data_set = name.rpartition("/")
    versions = (given,) if given else VERSIONS
    found = next((v for v in versions if exists(f"{_stem(base_url, v, data_set)}_{MATRIX}")), None)
    if found is None:
        raise DownloadError(
            f"10x Genomics has no Visium data set '{name}' at the expected address; copy the name "
            "from the address of its files, e.g. 10x-visium:1.1.0/V1_Adult_Mouse_Brain."
        )
    stem = _stem(base_url, found, data_set)
    image = next((i for i in IMAGES if exists(f"{stem}_{i}")), None)
    if image is None:
        raise DownloadError(
            f"10x Genomics has no full-resolution image of '{name}'; choose another data set."
        )
    return [RemoteFile(f"{data_set}/{f}", f"{stem}_{f}") for f in (MATRIX, SPATIAL, image)]


def _stem(base_url: str, version: str, data_set: str) -> str:
    return f"{base_url}/{version}/{data_set}/{data_set}"


def _section(data_set: str, folder: Path) -> PublicSection:
    home = folder / data_set
    _unpack(home / SPATIAL, home / "spatial")
    positions = read_positions(next(p for n in POSITIONS if (p := home / "spatial" / n).is_file()))
    mpp = pixel_size(
        visium_um(positions[["array_col", "array_row"]].to_numpy(np.float64)),
        positions[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(np.float64),
        data_set,
    )
    image = next(i for i in IMAGES if (home / i).is_file())
    return PublicSection(
        data_set,
        DONOR.sub("", data_set),
        f"{data_set}/{image}",
        data_set,
        mpp=round(mpp, 4),
        mpp_from="measured: the spots are 100 um apart on the array",
        notes=_diameter(home / "spatial" / SCALES, mpp),
    )


def _unpack(archive: Path, target: Path) -> None:
    """Extract the files of `spatial/`; skip links, subfolders and everything else."""
    target.mkdir(exist_ok=True)
    try:
        # Not `extractall`, so that no path of the archive is used.
        with tarfile.open(archive) as packed:
            for member in packed:
                folder, _, name = member.name.removeprefix("./").rpartition("/")
                wanted = folder == "spatial" and FILE_NAME.fullmatch(name) and member.isfile()
                if wanted and member.size <= LARGEST_MEMBER:
                    stream = packed.extractfile(member)
                    (target / name).write_bytes(stream.read() if stream else b"")
    except (tarfile.TarError, EOFError, OSError) as error:
        archive.unlink(missing_ok=True)
        raise CohortError(
            f"'{archive.parent.name}/{archive.name}' is damaged and was deleted; run the command "
            "again to download it."
        ) from error
    if not any((target / name).is_file() for name in POSITIONS):
        raise CohortError(
            f"'{archive.parent.name}/{archive.name}' contains no tissue_positions; choose another "
            "data set."
        )


def _diameter(scales: Path, mpp: float) -> tuple[str, ...]:
    try:
        diameter = float(json.loads(scales.read_text())["spot_diameter_fullres"]) * mpp
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return (f"{SCALES} states a spot diameter of {diameter:.0f} um (a spot is 55 um wide).",)
