"""From a complete file to the store; refusals speak of the user's file."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders.dicom_slides import write_slide
from builders.mirax_slides import write_mirax
from builders.ome_zarr import write_ome_zarr
from builders.slide_files import make_slide, make_two_series
from PIL import Image

from histospace_core.catalog import Catalog
from histospace_core.catalog.intake import accept_slide
from histospace_core.errors import SlideError, StoreError
from histospace_core.settings import Settings
from histospace_core.slides.content import slide_sha256
from histospace_core.slides.open import open_slide


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store")


def refuse(settings: Settings, catalog: Catalog, file: Path, name: str) -> str:
    with pytest.raises(SlideError) as caught:
        accept_slide(settings, catalog, file, name, "ab")
    assert not any(settings.uploads_dir.iterdir())
    assert not catalog.slides()
    return str(caught.value)


def test_a_name_without_a_type_leaves_the_problem_alone(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    """Such a file is called "slide" in the store, a word that problems and remedies use too."""
    grey = np.random.default_rng(0).integers(60, 200, (600, 600), dtype=np.uint8)
    Image.fromarray(np.dstack([grey] * 3)).save(tmp_path / "upload.png")
    assert refuse(settings, catalog, tmp_path / "upload.png", "scan of case 7") == (
        "scan of case 7: not an H&E slide: the image is grey; give the colour scan, not one "
        "channel."
    )


def test_a_name_that_holds_the_stored_name(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    whole = make_slide(tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    said = refuse(settings, catalog, tmp_path / "cut.png", "slide.png of slide.png")
    assert said.startswith("slide.png of slide.png: ")
    assert said.count("slide.png") == 2


def test_a_zipped_ome_zarr_is_one_file(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(make_slide(tmp_path / "a.png", side=600)))
    write_ome_zarr(tmp_path / "a.zarr", pixels)
    packed = Path(shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "a.zarr"))
    row = accept_slide(settings, catalog, packed, "case 7.zarr.zip", "ab")
    with open_slide(row.file) as slide:
        assert slide.properties.reader == "ome-zarr"
        assert np.array_equal(slide.read(0, 0, 600, 600, 600, 600), pixels)


def test_two_zipped_ome_zarrs_are_not_one(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(make_slide(tmp_path / "a.png", side=600)))
    for name in ("a.zarr", "longer.zarr"):
        write_ome_zarr(tmp_path / "both" / name, pixels)
    packed = Path(shutil.make_archive(str(tmp_path / "both"), "zip", tmp_path / "both"))
    assert refuse(settings, catalog, packed, "both.zip") == (
        "both.zip: the zip holds 2 slides (a.zarr, longer.zarr), and one is read at a time; zip "
        "each by itself."
    )


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


def test_a_zipped_dicom_slide(settings: Settings, catalog: Catalog, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(make_slide(tmp_path / "a.png", side=600)))
    files = write_slide(tmp_path / "case" / "IMAGES", pixels)
    n_bytes = sum(file.stat().st_size for file in files)
    packed = zipped(tmp_path / "case")
    row = accept_slide(settings, catalog, packed, "case 7.zip", "ab")
    assert not packed.exists()
    assert not any(settings.uploads_dir.iterdir())
    assert (row.name, row.vendor, row.mpp, row.size_bytes) == ("case 7.zip", "dicom", 0.69, n_bytes)
    assert row.sha256 == slide_sha256(tmp_path / "case" / "IMAGES"), "as of the folder"
    with open_slide(row.file) as slide:
        assert np.array_equal(slide.read(0, 0, 600, 600, 600, 600), pixels)

    again = accept_slide(settings, catalog, zipped(tmp_path / "case"), "b.zip", "cd")
    assert again.id == row.id, "one content is one slide, however it is zipped"
    assert not any(settings.uploads_dir.iterdir())
    catalog.delete_slide(row.id)
    assert not any(settings.slides_dir.iterdir())


def test_a_zip_of_two_dicom_series_waits_for_a_choice(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(make_slide(tmp_path / "a.png", side=600)))
    write_slide(tmp_path / "case", pixels, levels=1)
    write_slide(tmp_path / "case", pixels[:, ::-1], levels=1, suffix=".b.dcm")
    packed = zipped(tmp_path / "case")
    with pytest.raises(SlideError, match=r"case 7\.zip: holds 2 series") as caught:
        accept_slide(settings, catalog, packed, "case 7.zip", "ab")
    assert caught.value.alternatives is not None
    assert not any(settings.uploads_dir.iterdir())
    (_, other) = caught.value.alternatives.names
    row = accept_slide(settings, catalog, packed, "case 7.zip", "ab", series=other)
    assert row.series == other
    assert not packed.exists()


def test_a_zipped_mirax_slide(settings: Settings, catalog: Catalog, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(make_slide(tmp_path / "a.png", side=768)))
    write_mirax(tmp_path / "case", "scan", pixels)
    row = accept_slide(settings, catalog, zipped(tmp_path / "case"), "case.zip", "ab")
    assert (row.vendor, row.width, row.mpp) == ("mirax", 768, 0.5)
    with open_slide(row.file) as slide:
        assert slide.sha256() == row.sha256


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.mrxs", "zip the file together with that folder, and upload the zip."),
        ("a.vms", "convert it to a pyramidal TIFF."),
    ],
)
def test_an_index_without_its_files(
    settings: Settings, catalog: Catalog, tmp_path: Path, name: str, words: str
) -> None:
    settings.uploads_dir.mkdir(parents=True)
    assert refuse(settings, catalog, make_slide(tmp_path / "a.jpg"), name).endswith(words)


def test_a_zip_for_which_there_is_no_space(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    (tmp_path / "case").mkdir()
    make_slide(tmp_path / "case" / "a.png")
    packed = zipped(tmp_path / "case")
    small = settings.model_copy(update={"slides_quota_gb": 1e-6})
    with pytest.raises(StoreError, match=r"case\.zip does not fit"):
        accept_slide(small, catalog, packed, "case.zip", "ab")
    assert not packed.exists()
    assert not any(settings.uploads_dir.iterdir())


def test_a_file_of_several_images_waits_for_a_choice(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    file = make_two_series(tmp_path / "two.ome.tif", side=800)
    data = file.read_bytes()
    for series, words in ((None, "holds 2 series"), ("middle", "holds no series 'middle'")):
        with pytest.raises(SlideError, match=f"case 7.ome.tif: {words}") as caught:
            accept_slide(settings, catalog, file, "case 7.ome.tif", "ab", series=series)
        assert caught.value.alternatives is not None
        assert caught.value.alternatives.names == ("left", "right")
        assert file.read_bytes() == data
        assert not any(settings.uploads_dir.iterdir())
    row = accept_slide(settings, catalog, file, "case 7.ome.tif", "ab", series="right")
    assert (row.series, row.width) == ("right", 700)

    again = shutil.copy(row.file, tmp_path / "again.tif")
    known = accept_slide(settings, catalog, Path(again), "b.ome.tif", "ab", series="left")
    assert (known.id, known.series) == (row.id, "right"), "one content is one slide"

    Path(again).write_bytes(data)
    row.file.unlink()
    restored = accept_slide(settings, catalog, Path(again), "b.ome.tif", "ab")
    assert restored.file.exists(), "the known choice holds, so there is nothing to ask"
