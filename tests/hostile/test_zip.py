"""Broken and hostile archives: each gets one sentence that names the file, and nothing else."""

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import h5py
import pytest
from builders.refusal import refuse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histospace_core.archive import unpack
from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured


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
        refuse(path, "unpacks to 300 MB, more than is accepted")

    def test_a_directory_that_lies_about_sizes(self, tmp_path: Path) -> None:
        path = self.archive(tmp_path, ("matrix.mtx", b"0" * 10**6))
        content = path.read_bytes()
        true, false = struct.pack("<I", 10**6), struct.pack("<I", 10)
        path.write_bytes(content.replace(true, false))
        refuse(path, r"damaged|more than it declares")

    def test_a_great_many_members(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("histospace_core.archive.MAX_MEMBERS", 2_000)
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
        refuse(self.archive(tmp_path, ("a", b"x"), ("a/b", b"y")), "the zip cannot be unpacked")

    def test_a_name_too_long(self, tmp_path: Path) -> None:
        refuse(self.archive(tmp_path, ("n" * 300, b"x")), "the zip cannot be unpacked")

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
            unpack(path, tmp_path, MeasurementError)


@pytest.mark.usefixtures("in_this_process")
class TestTar:
    """The same of tar archives, which have no directory to check first."""

    def archive(
        self, tmp_path: Path, *members: tuple[str | tarfile.TarInfo, bytes], mode: str = "w:gz"
    ) -> Path:
        path = tmp_path / "visium.tar.gz"
        with tarfile.open(path, mode) as archive:
            for member, content in members:
                info = tarfile.TarInfo(member) if isinstance(member, str) else member
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    @pytest.mark.parametrize("name", ["../escape.txt", "/abs/escape.txt", "..\\escape.txt"])
    def test_traversal(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "in").mkdir()
        refuse(self.archive(tmp_path / "in", (name, b"x")), "outside its folder")
        assert not list(tmp_path.rglob("escape*"))

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
    )
    def test_links_and_devices(self, tmp_path: Path, kind: bytes) -> None:
        link = tarfile.TarInfo("spatial/tissue_positions.csv")
        link.type, link.linkname = kind, "/etc/passwd"
        refuse(self.archive(tmp_path, (link, b"")), "is a link or a device")

    def test_bomb(self, tmp_path: Path) -> None:
        path = self.archive(tmp_path, ("matrix.mtx", b"0" * 300 * 2**20))
        assert path.stat().st_size < 2**20
        refuse(path, "unpacks to 300 MB, more than is accepted")

    def test_a_great_many_members(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("histospace_core.archive.MAX_MEMBERS", 2_000)
        members = [(f"m/{i}", b"") for i in range(2001)]
        refuse(self.archive(tmp_path, *members), "has more than 2,000 members")

    @pytest.mark.parametrize("mode", ["w:gz", "w"])
    def test_truncated(self, tmp_path: Path, mode: str) -> None:
        path = self.archive(tmp_path, ("a", os.urandom(50_000)), mode=mode)
        path.write_bytes(path.read_bytes()[:20_000])
        refuse(path, "the tar is damaged or of an unknown kind")

    def test_hidden_members_are_passed_over(self, tmp_path: Path) -> None:
        path = self.archive(
            tmp_path, ("s/._a.csv", b"x"), ("__MACOSX/s/a.csv", b"x"), ("./s/a.csv", b"y")
        )
        (tmp_path / "out").mkdir()
        unpack(path, tmp_path / "out", MeasurementError)
        assert [p.name for p in (tmp_path / "out").rglob("*")] == ["s", "a.csv"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_wild_bytes_behind_the_magic_of_a_zip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wild.zip"
    path.write_bytes(b"PK\x03\x04" + content)
    with pytest.raises(MeasurementError, match=r"wild\.zip: .*damaged"):
        unpack(path, tmp_path, MeasurementError)


@pytest.mark.usefixtures("in_this_process")
def test_crc_is_checked(tmp_path: Path) -> None:
    """A member whose bytes were changed without its checksum is refused."""
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("notes.txt", b"counts: 1")
    assert zlib.crc32(b"counts: 1") != zlib.crc32(b"counts: 9")
    path.write_bytes(path.read_bytes().replace(b"counts: 1", b"counts: 9"))
    refuse(path, "damaged")
