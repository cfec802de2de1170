"""Broken and hostile measured ST: each gets one sentence that names the file, and nothing else."""

import gzip
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression import check_alignment, map_to_panel, read_measured
from histospace_core.expression.archive import unpack
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.isolated import READERS, read_isolated

SECRET = "a file of the server"


def refuse(path: Path, message: str, spots: Path | None = None) -> None:
    """Reading must fail with one sentence that names the file and says `message`."""
    with pytest.raises(MeasurementError, match=message) as caught:
        read_measured(path, spots)
    said = str(caught.value)
    assert path.name in said
    assert "\n" not in said
    assert "Traceback" not in said
    assert SECRET not in said


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a child process where the file is known not to crash the HDF5 library."""

    def read(path: Path, kind: str) -> RawCounts:
        return READERS[kind](path)

    monkeypatch.setattr("histospace_core.expression.measured.read_isolated", read)


@pytest.fixture
def spot_file(tmp_path: Path) -> Path:
    path = tmp_path / "spots.tsv"
    path.write_text("x\ty\tpixel_x\tpixel_y\n1\t1\t100\t100\n1\t2\t100\t390\n2\t1\t390\t100\n")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "counts.tsv") -> Path:
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


class TestTables:
    """Legacy ST."""

    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            ("NaN", "missing or infinite"),
            ("inf", "missing or infinite"),
            ("-3", "negative"),
            ("0.69", "looks normalised or log-transformed"),
            ("1e12", "values above"),
            ("many", "no number"),
            ("", "no number"),
        ],
    )
    def test_counts_that_are_not_counts(
        self, table: Callable[..., Path], spot_file: Path, cell: str, message: str
    ) -> None:
        refuse(table(f"\tERBB2\tKRT8\n1x1\t1\t{cell}\n1x2\t2\t2\n"), message, spot_file)

    def test_duplicate_genes_are_summed_and_said(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        path = table("\tERBB2\tKRT8\tERBB2\n1x1\t1\t5\t2\n1x2\t0\t1\t4\n")
        adata = read_measured(path, spot_file)
        assert adata.var_names.tolist() == ["ERBB2", "KRT8"]
        assert adata.X.toarray().tolist() == [[3, 5], [4, 1]]
        assert adata.uns["histospace"]["gene_report"]["n_duplicates"] == 1
        assert "1 columns with the name of another gene were added" in str(adata.uns["histospace"])

    def test_ids_alike_but_for_the_version_are_summed(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        path = table("\tENSG00000182378.14\tENSG00000182378.14_PAR_Y\n1x1\t1\t2\n")
        adata = read_measured(path, spot_file)
        assert adata.var_names.tolist() == ["PLCXD1"]
        assert adata.X.toarray().tolist() == [[3]]

    def test_unknown_genes_are_kept_and_counted(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        adata = read_measured(table("\tERBB2\tNOSUCHGENE\n1x1\t1\t2\n"), spot_file)
        assert adata.uns["histospace"]["gene_report"]["unknown"] == 1
        assert adata.var.loc["NOSUCHGENE", ["gene", "gene_id"]].tolist() == ["", ""]
        assert "1 of 2 gene names are not in the reference." in adata.uns["histospace"]["notes"]

    def test_no_common_genes(self, table: Callable[..., Path], spot_file: Path) -> None:
        adata = read_measured(table("\tA_PROBE\tB_PROBE\n1x1\t1\t2\n"), spot_file)
        with pytest.raises(MeasurementError, match="A_PROBE, B_PROBE, the model expects such as"):
            map_to_panel(adata, ["ERBB2", "KRT8"])

    def test_spots_without_counts_are_left_out_and_said(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        adata = read_measured(table("\tERBB2\n1x1\t1\n1x2\t0\n"), spot_file)
        assert adata.obs_names.tolist() == ["1x1"]
        assert "1 spots without any count left out." in adata.uns["histospace"]["notes"]

    def test_all_zero(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table("\tERBB2\n1x1\t0\n1x2\t0\n"), "every spot has a count of zero", spot_file)

    def test_a_spot_twice(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table("\tERBB2\n1x1\t1\n1x1\t2\n"), "1x1 occurs more than once", spot_file)

    def test_empty(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table(""), "the file is empty", spot_file)
        refuse(table("\tERBB2\n"), "no rows of counts", spot_file)

    def test_ragged(self, table: Callable[..., Path], spot_file: Path) -> None:
        text = "\tERBB2\tKRT8\n1x1\t1\t2\n1x2\t1\n"
        refuse(table(text), r"row 2 \(1x2\) has 1 values", spot_file)

    def test_random_bytes(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table(np.random.default_rng(0).bytes(5000)), "cannot be read", spot_file)

    def test_an_image_by_mistake(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "it is not text", spot_file)

    def test_truncated_gzip(self, table: Callable[..., Path], spot_file: Path) -> None:
        text = "\tERBB2\n" + "".join(f"{i}x1\t{i}\n" for i in range(5000))
        content = gzip.compress(text.encode())[:-4000]
        refuse(table(content, "counts.tsv.gz"), "cannot be read", spot_file)

    def test_gzip_bomb_in_one_line(self, table: Callable[..., Path], spot_file: Path) -> None:
        bomb = gzip.compress(b"\t" * (80 * 2**20))
        assert len(bomb) < 2**20
        refuse(table(bomb, "counts.tsv.gz"), "over 64 million characters", spot_file)

    def test_the_spot_file_given_as_counts(self, spot_file: Path) -> None:
        refuse(spot_file, "rows are not named by array position", spot_file)

    def test_spots_outside_the_image(self, table: Callable[..., Path], spot_file: Path) -> None:
        adata = read_measured(table("\tERBB2\n1x1\t1\n1x2\t1\n2x1\t1\n"), spot_file)
        found = check_alignment(adata.obsm["spatial"], np.ones((30, 30), dtype=bool), (10, 10))
        assert found.outside == pytest.approx(2 / 3)
        assert "67% outside the image" in found.message
        with pytest.raises(MeasurementError, match="67% outside the image"):
            found.require()

    def test_measurement_of_another_slide(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        adata = read_measured(table("\tERBB2\n1x1\t1\n1x2\t1\n2x1\t1\n"), spot_file)
        mask = np.zeros((60, 60), dtype=bool)
        mask[50:, 50:] = True
        with pytest.raises(MeasurementError, match="0% of the spots lie on tissue"):
            check_alignment(adata.obsm["spatial"], mask, (10, 10)).require()


@pytest.fixture
def h5ad(tmp_path: Path) -> Path:
    """A sound h5ad, to be spoilt."""
    adata = AnnData(
        np.ones((4, 2), dtype=np.float32),
        var=pd.DataFrame(index=["ERBB2", "KRT8"]),
        obsm={"spatial": np.ones((4, 2))},
    )
    adata.write_h5ad(tmp_path / "measured.h5ad")
    return tmp_path / "measured.h5ad"


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
        crash = "import ctypes; ctypes.string_at(0)"
        monkeypatch.setattr("histospace_core.expression.isolated.CALL", crash)
        refuse(h5ad, "damaged so that it crashes its reader")

    def test_a_file_that_takes_for_ever(self, h5ad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "histospace_core.expression.isolated.CALL", "import time; time.sleep(60)"
        )
        with pytest.raises(MeasurementError, match=r"measured\.h5ad: could not be read within 1 s"):
            read_isolated(h5ad, "hdf5", timeout_s=1)


@pytest.mark.usefixtures("in_this_process")
class TestZip:
    """Archives that would write, link or grow where they should not."""

    def archive(self, tmp_path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
        path = tmp_path / "visium.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return path

    @pytest.mark.parametrize(
        "name",
        ["../escape.txt", "/abs/escape.txt", "a/../../escape.txt", "..\\escape.txt", "C:\\e"],
    )
    def test_traversal(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "in").mkdir()
        refuse(self.archive(tmp_path / "in", (name, b"x")), "outside its folder")
        assert not list(tmp_path.rglob("escape*"))

    def test_symbolic_link(self, tmp_path: Path) -> None:
        link = zipfile.ZipInfo("spatial/tissue_positions.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        refuse(self.archive(tmp_path, (link, b"/etc/passwd")), "is a link or a device")

    def test_bomb(self, tmp_path: Path) -> None:
        path = self.archive(tmp_path, ("matrix.mtx", b"0" * 300 * 2**20))
        assert path.stat().st_size < 2**20
        refuse(path, "unpacks to 300 MB, more than a section has")

    def test_a_directory_that_lies_about_sizes(self, tmp_path: Path) -> None:
        path = self.archive(tmp_path, ("matrix.mtx", b"0" * 10**6))
        content = path.read_bytes()
        true, false = struct.pack("<I", 10**6), struct.pack("<I", 10)
        path.write_bytes(content.replace(true, false))
        refuse(path, r"damaged|more than it declares")

    def test_a_great_many_members(self, tmp_path: Path) -> None:
        members = [(f"m/{i}", b"") for i in range(3000)]
        refuse(self.archive(tmp_path, *members), "has 3,000 members")

    def test_damaged(self, tmp_path: Path) -> None:
        path = self.archive(tmp_path, ("spatial/tissue_positions.csv", os.urandom(5000)))
        content = bytearray(path.read_bytes())
        content[200] ^= 0xFF
        path.write_bytes(bytes(content))
        refuse(path, "damaged")

    def test_truncated(self, tmp_path: Path) -> None:
        path = self.archive(tmp_path, ("a", b"x" * 5000))
        path.write_bytes(path.read_bytes()[:60])
        refuse(path, "damaged")

    def test_encrypted(self, tmp_path: Path) -> None:
        path = self.archive(tmp_path, ("a.csv", b"x"))
        content = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(signature) + offset] |= 1
        path.write_bytes(bytes(content))
        refuse(path, "encrypted")

    def test_a_file_and_a_folder_of_one_name(self, tmp_path: Path) -> None:
        refuse(self.archive(tmp_path, ("a", b"x"), ("a/b", b"y")), "cannot be unpacked")

    def test_a_name_too_long(self, tmp_path: Path) -> None:
        refuse(self.archive(tmp_path, ("n" * 300, b"x")), "cannot be unpacked")

    def test_without_positions(self, tmp_path: Path) -> None:
        refuse(self.archive(tmp_path, ("notes.txt", b"x")), "no tissue_positions.csv")

    def test_h5_inside_is_looked_over_too(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file["matrix"] = h5py.ExternalLink("/etc/passwd", "/")
        matrix = (tmp_path / "m.h5").read_bytes()
        positions = b"AAAC-1,1,0,0,10,20\n"
        path = self.archive(
            tmp_path,
            ("spatial/tissue_positions_list.csv", positions),
            ("filtered_feature_bc_matrix.h5", matrix),
        )
        with pytest.raises(MeasurementError, match="is a link to another place or file"):
            read_measured(path)

    def test_nothing_is_left_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "tmp").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
        refuse(self.archive(tmp_path, ("a", b"x")), "no tissue_positions.csv")
        assert not list((tmp_path / "tmp").iterdir())

    def test_disk_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full here to write to")
        real = Path.open

        def full(self: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
            target = Path("/dev/full") if mode == "xb" else self
            return real(target, mode.replace("xb", "wb"), *args, **kwargs)

        path = self.archive(tmp_path, ("a", os.urandom(2**21)))
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(MeasurementError, match=r"visium\.zip: .*No space left on device"):
            unpack(path, tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_wild_bytes_behind_the_magic_of_a_zip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wild.zip"
    path.write_bytes(b"PK\x03\x04" + content)
    with pytest.raises(MeasurementError, match=r"wild\.zip: .*damaged"):
        unpack(path, tmp_path)


def test_wild_bytes_behind_the_magic_of_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "wild.h5ad"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(500))
    refuse(path, "damaged")


@pytest.mark.usefixtures("in_this_process")
def test_crc_is_checked(tmp_path: Path) -> None:
    """A member whose bytes were changed without its checksum is refused."""
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("notes.txt", b"counts: 1")
    assert zlib.crc32(b"counts: 1") != zlib.crc32(b"counts: 9")
    path.write_bytes(path.read_bytes().replace(b"counts: 1", b"counts: 9"))
    refuse(path, "damaged")
