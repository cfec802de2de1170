"""One hash for a slide, however it is given: a file, a folder, a series, a file and its folder."""

import hashlib
from pathlib import Path

import pytest

from histospace_core.errors import SlideError
from histospace_core.slides.content import slide_files, slide_sha256


@pytest.fixture
def series(shared: Path, tmp_path: Path) -> Path:
    """A real DICOM series of two files, and a note that does not belong to it."""
    for name in ("boxes_0.dcm", "boxes_1.dcm"):
        (tmp_path / name).write_bytes((shared / "slides" / name).read_bytes())
    (tmp_path / "notes.txt").write_text("from the scanner")
    return tmp_path


@pytest.fixture
def mirax(tmp_path: Path) -> Path:
    """The files of an MRXS slide; hashing does not look into them."""
    (tmp_path / "a.mrxs").write_bytes(b"index")
    (tmp_path / "a").mkdir()
    for name in ("Slidedat.ini", "Data0001.dat", "Data0000.dat"):
        (tmp_path / "a" / name).write_text(name)
    (tmp_path / "b.mrxs").write_bytes(b"index")
    return tmp_path / "a.mrxs"


def test_a_single_file_hashes_as_that_file(tmp_path: Path) -> None:
    """Catalogs and model packages hold this hash."""
    (tmp_path / "a.svs").write_bytes(b"pixels")
    assert slide_sha256(tmp_path / "a.svs") == hashlib.sha256(b"pixels").hexdigest()


@pytest.mark.shared
def test_a_series_is_one_slide(series: Path) -> None:
    files = [series / "boxes_0.dcm", series / "boxes_1.dcm"]
    assert slide_files(series) == slide_files(files[0]) == slide_files(files[1]) == files
    assert slide_sha256(series) == slide_sha256(files[1])


@pytest.mark.shared
def test_another_series_in_the_folder_is_another_slide(series: Path) -> None:
    data = (series / "boxes_1.dcm").read_bytes()
    uid = b"1.3.6.1.4.1.5962.99.1.1747645553.419656796.1689669825649.4.0"
    assert uid in data
    (series / "boxes_1.dcm").write_bytes(data.replace(uid, uid[:-1] + b"1"))
    files = [series / "boxes_0.dcm", series / "boxes_1.dcm"]
    assert [slide_files(file) for file in files] == [[file] for file in files]
    assert slide_files(series) == files, "the run says which one it reads"


def test_a_mirax_slide_is_its_file_and_its_folder(mirax: Path) -> None:
    names = [p.name for p in slide_files(mirax)]
    assert names == ["a.mrxs", "Data0000.dat", "Data0001.dat", "Slidedat.ini"]
    whole = slide_sha256(mirax)
    assert whole != slide_sha256(mirax.with_name("b.mrxs")), "the index alone is the same"
    (mirax.parent / "a" / "Data0001.dat").write_text("changed")
    assert slide_sha256(mirax) != whole


def test_a_folder_without_a_slide(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="the folder has no DICOM files"):
        slide_sha256(tmp_path)
