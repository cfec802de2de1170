"""The one slide in a zip: DICOM, MIRAX or a single file, wherever it lies in it."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from builders.dicom_slides import write_slide
from builders.mirax_slides import write_mirax
from builders.slide_files import make_slide
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.open import open_slide
from histospace_core.slides.packed import unpack_slide


@pytest.fixture
def pixels(tmp_path: Path) -> np.ndarray:
    return np.asarray(Image.open(make_slide(tmp_path / "a.png", side=512)))


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """The folder that is zipped."""
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


def unpacked(tmp_path: Path, inside: Path) -> Path:
    packed = Path(shutil.make_archive(str(tmp_path / "case 7"), "zip", inside))
    (tmp_path / "out").mkdir()
    return unpack_slide(packed, tmp_path / "out")


def refusal(tmp_path: Path, inside: Path) -> str:
    with pytest.raises(SlideError) as caught:
        unpacked(tmp_path, inside)
    return str(caught.value)


@pytest.mark.parametrize("where", [".", "export/IMAGES"])
def test_a_dicom_folder(tmp_path: Path, inside: Path, pixels: np.ndarray, where: str) -> None:
    write_slide(inside / where, pixels, suffix="")
    (inside / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(90))
    (inside / "report.pdf").write_bytes(b"%PDF of Mrs Doe")
    make_slide(inside / "preview.png", side=300)
    slide = unpacked(tmp_path, inside)
    assert slide == tmp_path / "out" / "slide"
    kept = {p.name for p in (tmp_path / "out").rglob("*")}
    assert kept == {"slide", "0_1", "1_1"}, "nothing else, which may name a patient, is kept"
    with open_slide(slide) as opened:
        assert np.array_equal(opened.read(0, 0, 512, 512, 512, 512), pixels)


@pytest.mark.parametrize("name", ["case.mrxs", "CASE.MRXS"])
def test_mirax(tmp_path: Path, inside: Path, pixels: np.ndarray, name: str) -> None:
    write_mirax(inside / "scans", Path(name).stem, pixels).rename(inside / "scans" / name)
    slide = unpacked(tmp_path, inside)
    assert slide == tmp_path / "out" / "slide.mrxs"
    with open_slide(slide) as opened:
        assert opened.properties.vendor == "mirax"
        read = opened.read(0, 0, 512, 512, 512, 512)
    assert np.abs(read.astype(int) - pixels).mean() < 3, "as JPEG keeps them"


def test_mirax_without_its_folder(tmp_path: Path, inside: Path, pixels: np.ndarray) -> None:
    write_mirax(inside, "case", pixels)
    shutil.rmtree(inside / "case")
    assert refusal(tmp_path, inside) == (
        "case 7.zip: the zip holds case.mrxs without its folder case; zip the file together with "
        "that folder."
    )


def test_a_single_file(tmp_path: Path, inside: Path) -> None:
    file = make_slide(inside / "Doe.tif", side=300)
    data = file.read_bytes()
    slide = unpacked(tmp_path, inside)
    assert slide == tmp_path / "out" / "slide.tif"
    assert slide.read_bytes() == data


def test_several_slides_are_named(tmp_path: Path, inside: Path, pixels: np.ndarray) -> None:
    write_slide(inside / "one", pixels, levels=1)
    write_mirax(inside / "two", "case", pixels)
    make_slide(inside / "three.tif", side=300)
    assert refusal(tmp_path, inside) == (
        "case 7.zip: the zip holds 3 slides (one, two/case.mrxs, three.tif), and one is read at a "
        "time; zip each by itself."
    )


def test_no_slide(tmp_path: Path, inside: Path) -> None:
    (inside / "counts.tsv").write_text("gene")
    assert refusal(tmp_path, inside).startswith(
        "case 7.zip: the zip holds no slide; zip the folder"
    )


def test_a_format_of_more_files_than_are_known(tmp_path: Path, inside: Path) -> None:
    (inside / "a.vms").write_text("[Virtual Microscope Specimen]")
    make_slide(inside / "a_map.jpg", side=300)
    assert "a Hamamatsu VMS slide, which is not read from a zip" in refusal(tmp_path, inside)


def test_hostile_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("../escape.svs", b"x")
    (tmp_path / "in" / "out").mkdir(parents=True)
    with pytest.raises(SlideError, match=r"a\.zip: member '../escape\.svs' would be written"):
        unpack_slide(tmp_path / "a.zip", tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("escape*"))


def test_more_than_the_limit(tmp_path: Path, inside: Path) -> None:
    make_slide(inside / "a.png", side=300)
    packed = Path(shutil.make_archive(str(tmp_path / "a"), "zip", inside))
    (tmp_path / "out").mkdir()
    with pytest.raises(SlideError, match="more than is accepted"):
        unpack_slide(packed, tmp_path / "out", max_bytes=1000)
