"""ST-Net: one patient under two prefixes, pixel size by the spots, a listing not to be trusted."""

import json
from pathlib import Path

import pandas as pd
import pytest
from builders.public_data import MPP, make_stnet, write_listing
from builders.range_server import Files

from histospace_core.errors import CohortError
from histospace_core.expression import read_measured
from histospace_core.public_cohorts import DownloadError, FetchedCohort, fetch_cohort
from histospace_core.public_cohorts.stnet import patient_id
from histospace_core.training import read_cohort


@pytest.fixture
def mendeley(server: Files) -> Files:
    make_stnet(server.folder, server.address)
    return server


def fetch(mendeley: Files, folder: Path, name: str = "stnet") -> FetchedCohort:
    return fetch_cohort(name, folder, f"{mendeley.address}/29ntw7sh4r")


@pytest.mark.parametrize(
    "name", ["BT23287", "BC23287", "HE_BT23287_C1.jpg", "spots_BC23287_C2.csv.gz"]
)
def test_one_patient_one_id(name: str) -> None:
    assert patient_id(name) == "BC23287"


def test_no_patient() -> None:
    with pytest.raises(CohortError, match="names no patient of ST-Net"):
        patient_id("metadata.csv")


def test_two_prefixes_are_one_patient(mendeley: Files, folder: Path) -> None:
    sections = read_cohort(fetch(mendeley, folder).table)
    assert [(s.name, s.patient) for s in sections] == [
        ("BC23287_C1", "BC23287"),
        ("BC23287_C2", "BC23287"),
        ("BC23903_D1", "BC23903"),
    ]
    assert [s.mpp for s in sections] == [pytest.approx(MPP, rel=1e-3)] * 3
    measured = read_measured(sections[0].counts, sections[0].spots)
    assert "ERBB2" in measured.var_names
    assert measured.n_obs > 50
    assert "measured: the spots are 200 um apart" in (folder / "SOURCE.md").read_text()

    n = len(mendeley.log)
    fetch(mendeley, folder)
    assert len(mendeley.log) == n


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("BT23287", ["BC23287_C1", "BC23287_C2"]),
        ("BC23287_C2,BT23903_D1", ["BC23287_C2", "BC23903_D1"]),
    ],
)
def test_by_patient_or_section(mendeley: Files, folder: Path, asked: str, names: list[str]) -> None:
    fetched = fetch(mendeley, folder, f"stnet:{asked}")
    assert [s.name for s in read_cohort(fetched.table)] == names


def test_unknown_patient(mendeley: Files, folder: Path) -> None:
    with pytest.raises(CohortError, match="ST-Net has no patient or section 'BC1'"):
        fetch(mendeley, folder, "stnet:BC1")


def test_a_file_of_another_patient(mendeley: Files, folder: Path) -> None:
    table = pd.read_csv(mendeley.folder / "metadata.csv")
    table.loc[0, "spot_coordinates"] = "spots_BT23903_D1.csv.gz"
    table.to_csv(mendeley.folder / "metadata.csv", index=False)
    names = [p.name for p in mendeley.folder.iterdir() if p.name != "29ntw7sh4r"]
    write_listing(mendeley.folder, mendeley.address, names)
    with pytest.raises(CohortError, match=r"gives the file spots_BT23903_D1\.csv\.gz to patient"):
        fetch(mendeley, folder)
    assert not (folder / "cohort.csv").exists()


def test_a_listing_cannot_write_elsewhere(mendeley: Files, folder: Path) -> None:
    listing = mendeley.folder / "29ntw7sh4r"
    listed = json.loads(listing.read_text())
    listed["files"][0]["filename"] = "../../escaped.jpg"
    listing.write_text(json.dumps(listed))
    with pytest.raises(CohortError, match="no plain file name"):
        fetch(mendeley, folder)
    listing.write_text("<html>maintenance</html>")
    with pytest.raises(CohortError, match="another format than expected"):
        fetch(mendeley, folder.with_name("other"))


def test_a_wrong_checksum(mendeley: Files, folder: Path) -> None:
    image = mendeley.folder / "HE_BT23287_C1.jpg"
    image.write_bytes(b"0" * image.stat().st_size)
    with pytest.raises(DownloadError, match=r"HE_BT23287_C1\.jpg: the server sent another file"):
        fetch(mendeley, folder)
    assert not (folder / "cohort.csv").exists()
