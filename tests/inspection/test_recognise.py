"""The content decides what a file is, not its name."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from builders.slide_files import make_slide

from histospace_core.inspection.recognise import first_bytes, recognise


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("section,patient,image,counts,spots,mpp\n", "cohort table"),
        ('{"type": "FeatureCollection", "features": []}', "annotations"),
        ('[{"type": "Feature"}]', "annotations"),
        ('{"spot_diameter_fullres": 89.4}', "JSON file"),
        ("x\ty\tnew_x\tnew_y\tpixel_x\tpixel_y\n", "spot positions"),
        ("AAAC-1,1,0,0,1251,1210\n", "spot positions"),
        ("\tERBB2\tKRT8\n10x12\t3\t4\n", "measured expression"),
        ("Dear colleague\n", "text"),
    ],
)
def test_text(tmp_path: Path, text: str, kind: str) -> None:
    path = tmp_path / "file.svs"
    path.write_text(text)
    assert recognise(path) == kind
    packed = tmp_path / "file.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert recognise(packed) == kind


def test_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    slide = make_slide(tmp_path / "slide.png", side=64)
    assert (first_bytes(slide), recognise(slide)) == ("PNG image", "slide")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    assert (first_bytes(path), recognise(path)) == ("zip archive", "measured expression")
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    assert first_bytes(path) == "tar archive, compressed with gzip"
    path.write_bytes(bytes(128) + b"DICM" + bytes(40))
    assert (first_bytes(path), recognise(path)) == ("DICOM", "slide")
    path.write_bytes(b"\x00\x01\x02\x03")
    assert first_bytes(path) == "binary data of an unknown kind"
    path.write_bytes(b"")
    assert first_bytes(path) == "empty"


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("run.json", "run"),
        ("model.safetensors", "model package"),
        ("summary.json", "result of HistoSPACE"),
        ("a.dcm", "slide"),
        ("spatial/x", "measured expression"),
        ("._a.dcm", "measured expression"),
    ],
)
def test_folders(tmp_path: Path, file: str, kind: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert recognise(tmp_path) == kind


def test_a_folder_of_dicom_files_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "0001").write_bytes(bytes(128) + b"DICM" + bytes(40))
    assert recognise(tmp_path) == "slide"


def test_zarr(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text('{"attributes": {"ome": {"multiscales": []}}}')
    assert recognise(tmp_path) == "slide"
    (tmp_path / "zarr.json").write_text('{"attributes": {"spatialdata_attrs": {}}}')
    assert recognise(tmp_path) == "measured expression"


def test_other_programs_files_go_to_the_reader_that_names_them(tmp_path: Path) -> None:
    for start in (b"RDX3\n", b"\x93NUMPY\x01", b"PAR1\x15"):
        path = tmp_path / "file"
        path.write_bytes(start + bytes(99))
        assert recognise(path) == "measured expression"
    path.write_bytes(b"ZISRAWFILE" + bytes(99))
    assert (first_bytes(path), recognise(path)) == ("Zeiss CZI image", "slide")
