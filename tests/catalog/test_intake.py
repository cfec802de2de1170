"""From a complete file to the store; refusals speak of the user's file."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders.ome_zarr import write_ome_zarr
from builders.slide_files import make_slide, make_two_series
from PIL import Image

from histospace_core.catalog import Catalog
from histospace_core.catalog.intake import accept_slide
from histospace_core.errors import SlideError
from histospace_core.settings import Settings
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
