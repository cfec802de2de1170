"""Broken and hostile h5ad: each gets one sentence that names the file, and nothing else."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from builders import children
from builders.refusal import SECRET, refuse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured
from histospace_core.expression.isolated import read_isolated


@pytest.mark.usefixtures("in_this_process")
class TestH5ad:
    """Files that read more than they should, or claim more than they hold."""

    def test_sound_one_is_read(self, h5ad: Path) -> None:
        assert read_measured(h5ad).shape == (4, 2)

    def test_external_storage(self, h5ad: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(SECRET * 9)
        with h5py.File(h5ad, "a") as file:
            attrs = dict(file["X"].attrs)
            del file["X"]
            outside = [(str(tmp_path / "secret").encode(), 0, 64)]
            file.create_dataset("X", (4, 2), "f8", external=outside).attrs.update(attrs)
        refuse(h5ad, "X keeps its values in another file")

    @pytest.mark.parametrize("place", ["X", "obs/hidden", "uns/hidden"])
    def test_external_link(self, h5ad: Path, tmp_path: Path, place: str) -> None:
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["secret"] = np.ones((4, 2))
        with h5py.File(h5ad, "a") as file:
            if place in file:
                del file[place]
            file[place] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/secret")
        refuse(h5ad, "is a link to another place or file")

    def test_soft_link(self, h5ad: Path) -> None:
        with h5py.File(h5ad, "a") as file:
            file["layers/counts"] = h5py.SoftLink("/X")
        refuse(h5ad, "is a link to another place or file")

    def test_virtual_dataset(self, h5ad: Path, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["secret"] = np.ones((4, 2))
        with h5py.File(h5ad, "a") as file:
            del file["X"]
            layout = h5py.VirtualLayout((4, 2), "f8")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "secret", (4, 2))
            file.create_virtual_dataset("X", layout)
        refuse(h5ad, "X keeps its values in another file")

    def test_declared_terabytes(self, h5ad: Path) -> None:
        with h5py.File(h5ad, "a") as file:
            attrs = dict(file["X"].attrs)
            del file["X"]
            huge = file.create_dataset("X", (10**6, 10**6), "f4", chunks=(1000, 1000))
            huge.attrs.update(attrs)
        assert h5ad.stat().st_size < 10**5
        refuse(h5ad, "declares far more data than the file holds")

    def test_many_that_declare_a_little_too_much(self, h5ad: Path) -> None:
        with h5py.File(h5ad, "a") as file:
            for i in range(100):
                file.create_dataset(f"layers/{i}", (3000, 1000), "f4", chunks=(100, 100))
        refuse(h5ad, "declares far more data than the file holds")

    def test_a_group_that_contains_itself(self, h5ad: Path) -> None:
        with h5py.File(h5ad, "a") as file:
            file["uns/again"] = file["uns"]
        assert read_measured(h5ad).n_obs == 4

    def test_more_objects_than_any_section_has(
        self, h5ad: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("histospace_core.expression.hdf5.MAX_OBJECTS", 50)
        with h5py.File(h5ad, "a") as file:
            for i in range(60):
                file.create_group(f"uns/{i}")
        refuse(h5ad, "more than 50 objects")

    @pytest.mark.parametrize("keep", [8, 300, 4000])
    def test_truncated(self, h5ad: Path, keep: int) -> None:
        h5ad.write_bytes(h5ad.read_bytes()[:keep])
        refuse(h5ad, "damaged or not of the expected kind")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.5])
    def test_counts_that_are_not_counts(self, h5ad: Path, value: float) -> None:
        with h5py.File(h5ad, "a") as file:
            file["X"][0, 0] = value
        refuse(h5ad, "holds raw counts")

    def test_no_spatial(self, h5ad: Path) -> None:
        with h5py.File(h5ad, "a") as file:
            del file["obsm/spatial"]
        refuse(h5ad, "store the spot centres there")

    def test_positions_not_finite(self, h5ad: Path) -> None:
        with h5py.File(h5ad, "a") as file:
            file["obsm/spatial"][0, 0] = np.nan
        refuse(h5ad, "some spots have no position")

    def test_duplicate_genes(self, tmp_path: Path) -> None:
        with pytest.warns(UserWarning, match="names are not unique"):
            adata = AnnData(np.ones((2, 2)), var=pd.DataFrame(index=["ERBB2", "ERBB2"]))
        adata.obsm["spatial"] = np.zeros((2, 2))
        adata.write_h5ad(tmp_path / "twice.h5ad")
        assert read_measured(tmp_path / "twice.h5ad").X.toarray().tolist() == [[2], [2]]

    def test_sparse_with_indices_out_of_bounds(self, h5ad: Path) -> None:
        with h5py.File(h5ad, "a") as file:
            del file["X"]
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
            group.attrs["shape"] = [4, 2]
            group["data"], group["indices"] = np.ones(4), np.array([0, 1, 10**6, 0])
            group["indptr"] = np.arange(5)
        refuse(h5ad, "damaged or not of the expected kind")


class TestChild:
    """What may crash the HDF5 library happens in a child process."""

    def test_sound_file_is_read_there(self, h5ad: Path) -> None:
        assert read_measured(h5ad).shape == (4, 2)

    def test_refusal_comes_back_as_it_was_said(self, h5ad: Path) -> None:
        with h5py.File(h5ad, "a") as file:
            file["layers/counts"] = h5py.SoftLink("/X")
        refuse(h5ad, "is a link to another place or file")

    @settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_flipped_bytes_never_escape_as_another_error(
        self, h5ad: Path, data: st.DataObject
    ) -> None:
        content = bytearray(h5ad.read_bytes())
        for _ in range(data.draw(st.integers(1, 6))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        spoilt = h5ad.with_name("spoilt.h5ad")
        spoilt.write_bytes(bytes(content))
        try:
            read_measured(spoilt)
        except MeasurementError as error:
            said = str(error)
        else:
            return
        assert "spoilt.h5ad" in said

    def test_a_file_that_crashes_the_library(
        self, h5ad: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The child dies of a real segmentation fault; this process says so and lives."""
        monkeypatch.setattr("histospace_core.expression.isolated.read_into", children.crash)
        refuse(h5ad, "the file is damaged and crashes its reader")

    def test_a_file_that_takes_for_ever(self, h5ad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("histospace_core.expression.isolated.read_into", children.sleep)
        with pytest.raises(
            MeasurementError, match=r"measured\.h5ad: the file could not be read within 1 s"
        ):
            read_isolated(h5ad, "hdf5", timeout_s=1)


def test_wild_bytes_behind_the_magic_of_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "wild.h5ad"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(500))
    refuse(path, "damaged")
