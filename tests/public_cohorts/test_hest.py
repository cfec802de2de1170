"""HEST: swapped axes found and mended, spots outside left out, the gate, the token."""

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
from histospace_core.public_cohorts.download import RemoteFile, download_files
from histospace_core.public_cohorts.hest import Hest
from histospace_core.training import read_cohort

HOME = "datasets/MahmoodLab/hest/resolve/main"


@pytest.fixture
def hub(server: Files, monkeypatch: pytest.MonkeyPatch) -> Files:
    """The hub, which HF_ENDPOINT names."""
    (server.folder / HOME).mkdir(parents=True)
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    return server


def test_swapped_axes_are_found_mended_and_said(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "TENX2", swap=True)
    fetched = fetch_cohort("hest:TENX2", folder)
    (found,) = fetched.checked
    assert found.orientation == "x and y swapped"
    assert re.search(r"x and y swapped \d\d\d?%: corrected", found.message)
    (section,) = read_cohort(fetched.table)
    assert section.counts == folder / "corrected/TENX2.h5ad"
    published = anndata.read_h5ad(folder / "st/TENX2.h5ad")  # stands as it came
    mended = read_measured(section.counts)
    np.testing.assert_allclose(mended.obsm["spatial"], published.obsm["spatial"][:-2, ::-1])
    np.testing.assert_array_equal(mended.X.toarray(), published.X.toarray()[:-2])
    assert list(mended.var_names) == list(published.var_names)
    about = (folder / "SOURCE.md").read_text()
    assert "Orientation that fits: x and y swapped" in about
    assert "Corrected positions: `corrected/TENX2.h5ad`" in about
    assert "licence by its metadata: Creative Commons Attribution" in about


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
    files = Hest().files(["TENX1"], Hest().base_url, _no_listing)
    download_files(files, folder)
    assert {request.token for request in hub.log} == {"Bearer secret"}
    hub.log.clear()
    monkeypatch.setenv("HF_ENDPOINT", "https://elsewhere.example")
    with pytest.raises(DownloadError, match="401"):
        fetch_cohort("hest:TENX1", folder.with_name("b"), f"{hub.address}/{HOME}")
    assert {request.token for request in hub.log} == {None}


def test_the_hubs_checksum_is_held_against_the_file(hub: Files, folder: Path) -> None:
    make_hest(hub.folder / HOME, "TENX1")
    path = f"{HOME}/wsis/TENX1.tif"
    content = (hub.folder / path).read_bytes()
    files = Hest().files(["TENX1"], Hest().base_url, _no_listing)
    hub.headers[path] = {"X-Linked-ETag": '"' + "0" * 64 + '"', "X-Linked-Size": str(len(content))}
    with pytest.raises(DownloadError, match=r"TENX1\.tif: the server sent another file"):
        download_files(files, folder)
    hub.headers[path]["X-Linked-ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
    assert download_files(files, folder)[2].read_bytes() == content


def _no_listing(file: RemoteFile) -> Path:
    raise AssertionError(file)


def test_no_such_sample(hub: Files, folder: Path) -> None:
    with pytest.raises(DownloadError, match=r"NONE\.json: 127\.0\.0\.1 answers 404"):
        fetch_cohort("hest:NONE", folder)
    assert not folder.exists()


@pytest.mark.parametrize("mpp", [None, "nan", -1, float("nan")])
def test_metadata_without_a_pixel_size(tmp_path: Path, mpp: object) -> None:
    make_hest(tmp_path, "TENX1", pixel_size_um_estimated=mpp)
    with pytest.raises(CohortError, match=r"TENX1\.json' states (no|a) pixel size"):
        Hest().sections(["TENX1"], tmp_path)
