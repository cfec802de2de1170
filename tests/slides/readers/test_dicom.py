"""DICOM slides, against OpenSlide and against the pixels that were written."""

from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest
from builders.dicom_slides import TILE, write_slide
from builders.packages import make_package
from builders.slide_files import MPP, make_slide
from PIL import Image

from benchmarks.colour_profile import wide_gamut_profile
from histospace_core.errors import SlideError
from histospace_core.inference import open_prediction, predict_slide
from histospace_core.slides.dicom_series import notes_on, read_series
from histospace_core.slides.open import RGB, open_slide
from histospace_core.slides.readers.dicom import WsidicomReader


@pytest.fixture(scope="module")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slide(tmp_path_factory.mktemp("slide") / "section.png", side=700)


@pytest.fixture(scope="module")
def pixels(png: Path) -> RGB:
    return np.asarray(Image.open(png))


def whole(path: Path, series: str | None = None) -> RGB:
    with open_slide(path, series=series) as slide:
        return slide.read(0, 0, 700, 700, 700, 700)


def test_a_plain_slide_by_openslide_and_by_wsidicom(pixels: RGB, tmp_path: Path) -> None:
    files = write_slide(tmp_path / "a", pixels)
    with open_slide(tmp_path / "a") as slide:
        assert (slide.properties.reader, slide.mpp) == ("openslide", pytest.approx(MPP))
        assert slide.properties.level_downsamples == (1, 2)
    assert np.array_equal(whole(tmp_path / "a"), pixels)
    assert np.array_equal(whole(files[1]), pixels)
    _, instances = read_series(tmp_path / "a", None)
    other = WsidicomReader(tmp_path / "a", instances, "", ())
    with openslide.OpenSlide(files[0]) as reference:
        assert other.mpp == pytest.approx((MPP, MPP))
        assert other.downsamples == reference.level_downsamples
        for level, box in ((0, (33, 250, 400, 300)), (1, (10, 20, 300, 280))):
            corner = (box[0] << level, box[1] << level)
            region = reference.read_region(corner, level, box[2:]).convert("RGB")
            assert np.array_equal(np.asarray(other.read(level, *box)), np.asarray(region))
    other.close()


def test_tiles_that_are_not_stored_are_white(pixels: RGB, tmp_path: Path) -> None:
    write_slide(tmp_path / "a", pixels, skipped=(4,))
    with open_slide(tmp_path / "a") as slide:
        assert slide.properties.reader == "wsidicom"
    expected = pixels.copy()
    expected[TILE : 2 * TILE, TILE : 2 * TILE] = 255
    assert np.array_equal(whole(tmp_path / "a"), expected)


def test_a_concatenation(pixels: RGB, tmp_path: Path) -> None:
    files = write_slide(tmp_path / "a", pixels, parts=3)
    assert np.array_equal(whole(tmp_path / "a"), pixels)
    files[1].unlink()
    with pytest.raises(SlideError, match=r"part 2 of 3 of its level of 700 x 700 px is missing"):
        open_slide(tmp_path / "a")


def test_the_middle_focal_plane(pixels: RGB, tmp_path: Path) -> None:
    write_slide(tmp_path / "a", pixels, planes=3)
    assert np.array_equal(whole(tmp_path / "a"), pixels // 2)
    with open_slide(tmp_path / "a") as slide:
        assert slide.properties.notes == ("The middle one of its 3 focal planes is read.",)


def test_a_missing_first_level_is_said(pixels: RGB, tmp_path: Path) -> None:
    files = write_slide(tmp_path / "a", pixels, levels=3)
    assert not list(notes_on(read_series(tmp_path / "a", None)[1]))
    files[0].unlink()
    with open_slide(tmp_path / "a") as slide:
        assert slide.mpp == pytest.approx(2 * MPP)
        assert any("the full resolution is missing" in note for note in slide.properties.notes)


def test_two_slides_in_a_folder(pixels: RGB, tmp_path: Path) -> None:
    write_slide(tmp_path / "a", pixels)
    for file in write_slide(tmp_path / "b", pixels[::-1]):
        file.rename(tmp_path / "a" / f"other_{file.name}")
    with pytest.raises(SlideError, match="holds 2 series") as raised:
        open_slide(tmp_path / "a")
    assert raised.value.alternatives
    images = [whole(tmp_path / "a", uid) for uid in raised.value.alternatives.names]
    assert sorted(map(bytes, images)) == sorted((pixels.tobytes(), pixels[::-1].tobytes()))
    assert np.array_equal(whole(tmp_path / "a" / "0_1.dcm"), pixels)
    with pytest.raises(SlideError, match=r"holds no series '1\.2'"):
        open_slide(tmp_path / "a", series="1.2")


def test_two_images_in_a_series(pixels: RGB, tmp_path: Path) -> None:
    first = pydicom.dcmread(write_slide(tmp_path / "a", pixels)[0])
    for file in write_slide(tmp_path / "b", pixels[::-1]):
        other = pydicom.dcmread(file)
        other.StudyInstanceUID = first.StudyInstanceUID
        other.SeriesInstanceUID = first.SeriesInstanceUID
        other.save_as(tmp_path / "a" / f"other_{file.name}")
    with pytest.raises(SlideError, match="holds several images of 700 x 700 px"):
        open_slide(tmp_path / "a")


def test_names_do_not_matter_and_hidden_files_are_skipped(pixels: RGB, tmp_path: Path) -> None:
    write_slide(tmp_path / "a", pixels, suffix="")
    for name in ("._0_1", ".DS_Store", "Thumbs.db", "notes.txt"):
        (tmp_path / "a" / name).write_bytes(b"\0\5\x16\7" * 50)
    assert np.array_equal(whole(tmp_path / "a"), pixels)


@pytest.mark.parametrize("planes", [1, 3])
def test_the_colour_profile_of_the_optical_path(planes: int, pixels: RGB, tmp_path: Path) -> None:
    write_slide(tmp_path / "a", pixels, planes=planes, profile=wide_gamut_profile())
    with open_slide(tmp_path / "a") as slide:
        assert slide.properties.icc == "Wide gamut"


def test_a_prediction_equals_that_of_the_png(png: Path, pixels: RGB, tmp_path: Path) -> None:
    package = make_package(tmp_path)
    write_slide(tmp_path / "a", pixels, parts=2)
    with open_slide(tmp_path / "a") as slide, open_slide(png, MPP) as flat:
        assert slide.properties.reader == "wsidicom"
        predict_slide(slide, package, tmp_path / "dicom", fast=False)
        predict_slide(flat, package, tmp_path / "png", fast=False)
    found, expected = open_prediction(tmp_path / "dicom"), open_prediction(tmp_path / "png")
    assert np.array_equal(found.centres, expected.centres)
    assert np.array_equal(found.matrix(), expected.matrix(), equal_nan=True)
