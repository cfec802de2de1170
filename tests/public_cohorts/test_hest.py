"""HEST: swapped axes found and corrected, spots outside left out, the gate, the token."""

import hashlib
import re
from pathlib import Path

import anndata
import numpy as np
import pytest
from builders.public_data import SIDE, make_hest
from builders.range_server import Files

from histospace_core.errors import CohortError
from histospace_core.expression import read_measured
from histospace_core.public_cohorts import DownloadError, fetch_cohort
from histospace_core.public_cohorts.download import git_id
from histospace_core.public_cohorts.hest import Hest
from histospace_core.public_cohorts.resume import CHUNK
from histospace_core.training import read_cohort

HOME = "datasets/MahmoodLab/hest/resolve/main"


COMMIT = "0123456789abcdef0123456789abcdef01234567"
PINNED = f"datasets/MahmoodLab/hest/resolve/{COMMIT}"


@pytest.fixture
def hub(server: Files, monkeypatch: pytest.MonkeyPatch) -> Files:
    """The hub, which HF_ENDPOINT names; its branch main is at COMMIT."""
    (server.folder / HOME).mkdir(parents=True)
    (server.folder / PINNED).symlink_to(server.folder / HOME)
    server.with_all = {"X-Repo-Commit": COMMIT}
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    return server


def test_swapped_axes_are_found_corrected_and_reported(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "TENX2", swap=True)
    fetched = fetch_cohort("hest:TENX2", folder)
    (found,) = fetched.checked
    assert found.orientation == "x and y swapped"
    assert re.search(r"x and y swapped \d\d\d?%: corrected", found.message)
    (section,) = read_cohort(fetched.table)
    assert section.counts == folder / "corrected/TENX2.h5ad"
    published = anndata.read_h5ad(folder / "st/TENX2.h5ad")  # stands as it came
    corrected = read_measured(section.counts)
    np.testing.assert_allclose(corrected.obsm["spatial"], published.obsm["spatial"][:-2, ::-1])
    np.testing.assert_array_equal(corrected.X.toarray(), published.X.toarray()[:-2])
    assert list(corrected.var_names) == list(published.var_names)
    about = (folder / "SOURCE.md").read_text()
    assert "Orientation that fits: x and y swapped" in about
    assert "Corrected positions: `corrected/TENX2.h5ad`" in about
    assert "licence according to its metadata: Creative Commons Attribution" in about


def test_spots_outside_the_image_are_left_out_so_that_it_trains(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "TENX92")
    fetched = fetch_cohort("hest:TENX92", folder)
    assert "2 spots outside the image were left out" in fetched.checked[0].message
    centres = read_measured(read_cohort(fetched.table)[0].counts).obsm["spatial"]
    assert len(centres) == fetched.checked[0].n_spots
    assert (centres >= 0).all()
    assert (centres < SIDE).all()


def test_patient_1_of_two_studies_are_two_patients(tmp_path: Path) -> None:
    make_hest(tmp_path, "A1")
    make_hest(tmp_path, "B1", dataset_title="Another study")
    make_hest(tmp_path, "C1", patient=float("nan"))
    patients = [s.patient for s in Hest().sections(["A1", "B1", "C1"], tmp_path)]
    assert patients == ["A study of breast tissue: Patient 1", "Another study: Patient 1", "C1"]


def test_a_sample_of_another_slide_is_left_out(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "GOOD1")
    make_hest(hub.folder / HOME, "BAD1")
    path = hub.folder / HOME / "st/BAD1.h5ad"
    adata = anndata.read_h5ad(path)
    adata.obsm["spatial"] = np.random.default_rng(0).uniform(0, 1400, (adata.n_obs, 2))
    adata.write_h5ad(path)
    fetched = fetch_cohort("hest:GOOD1,BAD1", folder)
    assert [s.name for s in read_cohort(fetched.table)] == ["GOOD1"]
    assert "LEFT OUT" in (folder / "SOURCE.md").read_text()


def test_a_file_that_is_no_measurement(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "BAD1")
    (hub.folder / HOME / "st/BAD1.h5ad").write_bytes(b"not an h5ad")
    with pytest.raises(CohortError, match=r"No section of hest:BAD1 can be used: BAD1\.h5ad"):
        fetch_cohort("hest:BAD1", folder)
    assert not (folder / "cohort.csv").exists()


def test_the_gate_is_one_clear_sentence(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "TENX1")
    hub.token = "Bearer secret"
    with pytest.raises(
        DownloadError, match=r"\(401\); HEST is gated: accept its terms .* HF_TOKEN"
    ):
        fetch_cohort("hest:TENX1", folder)
    assert not folder.exists()


def test_the_token_goes_to_the_hub_only(
    hub: Files, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_hest(hub.folder / HOME, "TENX1")
    hub.token = "Bearer secret"
    monkeypatch.setenv("HF_TOKEN", "secret")
    fetch_cohort("hest:TENX1", folder)
    assert {request.token for request in hub.log} == {"Bearer secret"}
    hub.log.clear()
    monkeypatch.setenv("HF_ENDPOINT", "https://elsewhere.example")
    with pytest.raises(DownloadError, match="401"):
        fetch_cohort("hest:TENX1", folder.with_name("b"), f"{hub.address}/{HOME}")
    assert {request.token for request in hub.log} == {None}


def test_the_hubs_checksums_are_held_against_the_files(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "TENX1")
    image, about = f"{PINNED}/wsis/TENX1.tif", f"{PINNED}/metadata/TENX1.json"
    content = (hub.folder / image).read_bytes()
    hub.headers[about] = {"ETag": f'"{git_id(hub.folder / about)}"'}
    hub.headers[image] = {"X-Linked-ETag": '"' + "0" * 64 + '"', "X-Linked-Size": str(len(content))}
    with pytest.raises(DownloadError, match=r"TENX1\.tif: the server sent another file"):
        fetch_cohort("hest:TENX1", folder)
    assert not (folder / "wsis").exists()
    hub.headers[image]["X-Linked-ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
    fetch_cohort("hest:TENX1", folder)
    assert (folder / "wsis/TENX1.tif").read_bytes() == content
    hub.headers[about]["ETag"] = '"' + "0" * 40 + '"'
    with pytest.raises(DownloadError, match=r"TENX1\.json: the server sent another file"):
        fetch_cohort("hest:TENX1", folder.with_name("b"))


def test_all_files_are_of_one_commit_which_is_recorded(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "TENX1")
    fetch_cohort("hest:TENX1", folder)
    assert {r.path.split("/resolve/")[1].split("/")[0] for r in hub.gets()} == {COMMIT}
    assert f"Downloaded from: {hub.address}/{PINNED}" in (folder / "SOURCE.md").read_text()
    hub.with_all = {"X-Repo-Commit": "f" * 40}  # main has moved on
    (folder / "wsis/TENX1.tif").unlink()
    n = len(hub.log)
    fetch_cohort("hest:TENX1", folder)
    assert {r.path for r in hub.log[n:]} == {f"{PINNED}/wsis/TENX1.tif"}


def test_a_broken_download_goes_on_in_the_next_call(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "TENX1")
    image = f"{PINNED}/wsis/TENX1.tif"
    hub.drop_after[image] = [CHUNK, 0, 0, 0, 0]
    with pytest.raises(DownloadError, match="to continue where it stopped"):
        fetch_cohort("hest:TENX1", folder)
    fetch_cohort("hest:TENX1", folder)
    sent = [r for r in hub.gets() if r.path == image]
    assert sent[-1].range == f"bytes={CHUNK}-"
    assert sum(r.sent for r in sent) == (hub.folder / image).stat().st_size, "no byte twice"


def test_no_network(hub: Files, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_hest(hub.folder / HOME, "TENX1")
    fetch_cohort("hest:TENX1", folder)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1: the server cannot be reached; connect"):
        fetch_cohort("hest:TENX1", folder.with_name("b"))
    assert not folder.with_name("b").exists()
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="the server cannot be reached"):
        fetch_cohort("hest:TENX1", folder.with_name("b"))
    fetch_cohort("hest:TENX1", folder)  # all is there: nothing is asked


def test_a_plain_mirror(server: Files, folder: Path) -> None:
    make_hest(server.folder / "copy", "TENX1")
    fetch_cohort("hest:TENX1", folder, f"{server.address}/copy")
    assert (folder / "cohort.csv").exists()


def test_no_such_sample(hub: Files, folder: Path) -> None:
    with pytest.raises(DownloadError, match=r"NONE\.json: 127\.0\.0\.1 answers 404"):
        fetch_cohort("hest:NONE", folder)
    assert not folder.exists()


@pytest.mark.parametrize("mpp", [None, "nan", -1, float("nan")])
def test_metadata_without_a_pixel_size(tmp_path: Path, mpp: object) -> None:
    make_hest(tmp_path, "TENX1", pixel_size_um_estimated=mpp)
    with pytest.raises(CohortError, match=r"TENX1\.json' states (no|a) pixel size"):
        Hest().sections(["TENX1"], tmp_path)
