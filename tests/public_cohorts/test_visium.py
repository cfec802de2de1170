"""10x Visium: the real positions and scale factors of a mouse brain, its image and counts small."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from builders.public_data import MPP, make_image, make_visium
from builders.range_server import Files
from PIL import Image

from histospace_core.errors import CohortError
from histospace_core.expression import read_measured
from histospace_core.public_cohorts import SOURCES, DownloadError, fetch_cohort
from histospace_core.public_cohorts.download import RemoteFile
from histospace_core.public_cohorts.visium import DONOR
from histospace_core.training import read_cohort

BRAIN = "V1_Adult_Mouse_Brain"


@pytest.fixture
def brain(server: Files, shared: Path) -> Files:
    """The data set at a fifth of its size: the real image, which is a tenth of it, enlarged."""
    real = shared / "visium_mouse_brain"
    positions = pd.read_csv(real / "tissue_positions_list.csv", header=None)
    positions[[4, 5]] = (positions[[4, 5]] * 0.2).round(1)
    scales = json.loads((real / "scalefactors_json.json").read_text())
    scales["spot_diameter_fullres"] *= 0.2
    with Image.open(real / "V1_Adult_Mouse_Brain_image_small.tif") as small:
        packed = io.BytesIO()
        small.convert("RGB").resize((small.width * 2, small.height * 2)).save(packed, "TIFF")
    make_visium(server.folder / "1.1.0" / BRAIN, positions, scales, packed.getvalue())
    return server


@pytest.mark.shared
def test_a_space_ranger_folder_with_its_pixel_size_measured(brain: Files, folder: Path) -> None:
    fetched = fetch_cohort(f"10x-visium:{BRAIN}", folder, brain.address)
    (section,) = read_cohort(fetched.table)
    # 100 um between spots; 55 um over the stated diameter would give 3.07 um/px
    assert section.mpp == pytest.approx(3.625, rel=0.005)
    assert section.spots is None
    assert read_measured(section.counts).n_obs == 2702
    about = (folder / "SOURCE.md").read_text()
    assert "measured: the spots are 100 um apart on the array" in about
    assert "states a spot diameter of 65 um (a spot is 55 um wide)" in about
    assert not list(folder.parent.rglob("escaped.txt"))
    n = len(brain.gets())
    fetch_cohort(f"10x-visium:{BRAIN}", folder, brain.address)
    assert len(brain.gets()) == n == 3


def no_listing(file: RemoteFile) -> Path:
    raise AssertionError(file)


def grid() -> pd.DataFrame:
    """A Visium grid over the test slide."""
    rows = []
    for row in range(64):
        for column in range(row % 2, 110, 2):
            x, y = 50 * column / MPP, 86.6025 * row / MPP
            under = int((150 < x < 500 and 100 < y < 1250) or (150 < x < 1000 and 950 < y < 1250))
            rows.append([f"{row:03d}{column:03d}-1", under, row, column, y, x])
    return pd.DataFrame(rows)


@pytest.fixture
def synthetic(server: Files, tmp_path: Path) -> Files:
    image = make_image(tmp_path / "image.tif")
    make_visium(server.folder / "2.0.0" / "Sample_Section_1", grid(), {}, image)
    return server


def test_the_version_is_found_or_given(synthetic: Files, folder: Path) -> None:
    (section,) = read_cohort(
        fetch_cohort("10x-visium:Sample_Section_1", folder, synthetic.address).table
    )
    assert (section.name, section.patient) == ("Sample_Section_1", "Sample")
    assert section.mpp == pytest.approx(MPP, rel=1e-3)
    source = SOURCES["10x-visium"]
    files = source.files(["2.0.0/Sample_Section_1"], synthetic.address, no_listing)
    assert "/2.0.0/" in files[0].url
    with pytest.raises(DownloadError, match=r"has no Visium data set '1\.0\.0/Sample_Section_1'"):
        fetch_cohort("10x-visium:1.0.0/Sample_Section_1", folder.with_name("x"), synthetic.address)
    assert not folder.with_name("x").exists()


def test_the_aligned_image_comes_before_the_instruments(synthetic: Files) -> None:
    home = synthetic.folder / "2.0.0/Sample_Section_1"
    (home / "Sample_Section_1_tissue_image.tif").write_bytes(b"aligned")
    source = SOURCES["10x-visium"]
    *_, image = source.files(["Sample_Section_1"], synthetic.address, no_listing)
    assert image.path == "Sample_Section_1/tissue_image.tif"


def test_a_damaged_archive(synthetic: Files, folder: Path) -> None:
    archive = synthetic.folder / "2.0.0/Sample_Section_1/Sample_Section_1_spatial.tar.gz"
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(CohortError, match=r"Sample_Section_1/spatial\.tar\.gz' is damaged"):
        fetch_cohort("10x-visium:Sample_Section_1", folder, synthetic.address)
    assert not (folder / "cohort.csv").exists()
    assert not (folder / "Sample_Section_1/spatial.tar.gz").exists()


@pytest.mark.parametrize("name", ["10x-visium", "10x-visium:../../etc", "10x-visium:a/b/c"])
def test_no_name_of_a_data_set(folder: Path, name: str) -> None:
    with pytest.raises(CohortError, match="name of a data set"):
        fetch_cohort(name, folder, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("data_set", "donor"),
    [
        ("V1_Breast_Cancer_Block_A_Section_2", "V1_Breast_Cancer_Block_A"),
        ("CytAssist_FFPE_Mouse_Brain_Rep1", "CytAssist_FFPE_Mouse_Brain"),
        (BRAIN, BRAIN),
    ],
)
def test_sections_of_one_block_are_one_patient(data_set: str, donor: str) -> None:
    assert DONOR.sub("", data_set) == donor
