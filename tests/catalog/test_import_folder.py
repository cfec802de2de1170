"""The operator's import folder: what is listed, what is taken in, and what never happens to it."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.slide_files import make_slide, make_two_series

from histospace_core.catalog import Catalog
from histospace_core.catalog.import_folder import (
    find_import,
    images_of,
    import_slide,
    list_importable,
)
from histospace_core.errors import SlideError, StoreError
from histospace_core.progress import Progress
from histospace_core.settings import Settings


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slide(tmp_path_factory.mktemp("slide") / "slide.png", side=800)


@pytest.fixture
def settings(tmp_path: Path, picture: Path) -> Settings:
    folder = tmp_path / "import"
    (folder / "cohort").mkdir(parents=True)
    shutil.copy(picture, folder / "cohort" / "case 1.png")
    return Settings(store=tmp_path / "store", import_dir=folder)


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    catalog = Catalog(settings.catalog_url)
    catalog.migrate()
    yield catalog
    catalog.close()


def folder_of(settings: Settings) -> Path:
    assert settings.import_dir is not None
    return settings.import_dir


def take_in(settings: Settings, catalog: Catalog, name: str) -> list[Progress]:
    """Import a file; return its progress."""
    events: list[Progress] = []
    import_slide(settings, catalog, name, settings.uploads_dir / "1", events.append)
    return events


def test_slides_are_listed_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    folder = folder_of(settings)
    for name in ("b.SVS", "a.ndpi", "notes.txt", ".hidden.svs", "cohort/c.ome.tiff"):
        (folder / name).touch()
    for name in (".trash", "__MACOSX", "$RECYCLE.BIN"):
        (folder / name).mkdir()
        (folder / name / "deleted.svs").touch()
    (folder / ".trash" / "old.svs").touch()
    (tmp_path / "secret.svs").touch()
    (folder / "out.svs").symlink_to(tmp_path / "secret.svs")
    (folder / "away").symlink_to(tmp_path)
    assert list_importable(settings) == [
        "a.ndpi",
        "b.SVS",
        "cohort/c.ome.tiff",
        "cohort/case 1.png",
    ]
    assert list_importable(Settings(store=tmp_path)) == []


@pytest.mark.parametrize(
    "name",
    ["../secret.svs", "cohort/../../secret.svs", "/etc/passwd", "out.svs", "gone.svs", "", "."],
)
def test_no_name_leads_out_of_the_folder(settings: Settings, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.svs").touch()
    (folder_of(settings) / "out.svs").symlink_to(tmp_path / "secret.svs")
    with pytest.raises(SlideError, match="is not in the import folder"):
        find_import(settings, name)


def test_without_a_folder_it_says_whom_to_ask(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="HISTOSPACE_IMPORT_DIR"):
        find_import(Settings(store=tmp_path), "a.svs")


def test_a_file_is_linked_and_hashed(settings: Settings, catalog: Catalog, picture: Path) -> None:
    events = take_in(settings, catalog, "cohort/case 1.png")
    (slide,) = catalog.slides()
    source = folder_of(settings) / "cohort" / "case 1.png"
    assert (slide.name, slide.file.name) == ("case 1.png", "slide.png")
    assert slide.sha256 == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert slide.file.samefile(source), "a link, which takes no room"
    assert (events[-1].done, events[-1].total) == (source.stat().st_size,) * 2
    assert not (settings.uploads_dir / "1").exists()
    take_in(settings, catalog, "cohort/case 1.png")
    assert len(catalog.slides()) == 1, "the same content is the same slide"
    catalog.delete_slide(slide.id)
    assert source.read_bytes() == picture.read_bytes(), "the folder keeps its file"


def test_a_file_of_another_disk_is_copied(catalog: Catalog, settings: Settings, picture) -> None:
    disk = Path("/dev/shm")
    if not disk.is_dir() or disk.stat().st_dev == settings.store.stat().st_dev:
        pytest.skip("no second disk (/dev/shm) here")
    with tempfile.TemporaryDirectory(dir=disk) as folder:
        shutil.copy(picture, Path(folder) / "a.png")
        other = settings.model_copy(update={"import_dir": Path(folder)})
        take_in(other, catalog, "a.png")
    (slide,) = catalog.slides()
    assert slide.file.read_bytes() == picture.read_bytes()
    assert slide.sha256 == hashlib.sha256(picture.read_bytes()).hexdigest()


def test_what_is_no_slide_stays_where_it_is(settings: Settings, catalog: Catalog) -> None:
    notes = folder_of(settings) / "notes.svs"
    notes.write_text("no slide at all")
    with pytest.raises(SlideError, match=r"^notes\.svs"):
        take_in(settings, catalog, "notes.svs")
    assert notes.read_text() == "no slide at all"
    assert list(catalog.slides()) == []
    assert list(settings.uploads_dir.iterdir()) == []


def test_a_file_of_several_images_says_how_to_choose(settings: Settings, catalog: Catalog) -> None:
    make_two_series(folder_of(settings) / "two.ome.tif", side=600)
    with pytest.raises(SlideError) as caught:
        take_in(settings, catalog, "two.ome.tif")
    assert str(caught.value) == (
        "two.ome.tif: holds 2 series (left, right), and one is read at a time; choose one on the "
        "Slides page."
    )
    assert list(settings.uploads_dir.iterdir()) == []
    assert images_of(settings, "two.ome.tif") == ("left", "right")
    slide = import_slide(
        settings, catalog, "two.ome.tif", settings.uploads_dir / "1", series="right"
    )
    assert (slide.series, slide.width) == ("right", 500)


def test_a_file_of_one_image_asks_nothing(settings: Settings) -> None:
    assert images_of(settings, "cohort/case 1.png") == ()


def test_the_quota_is_kept(settings: Settings, catalog: Catalog) -> None:
    small = settings.model_copy(update={"slides_quota_gb": 1e-6})
    with pytest.raises(StoreError, match="HISTOSPACE_SLIDES_QUOTA_GB"):
        take_in(small, catalog, "cohort/case 1.png")
    assert list(settings.uploads_dir.iterdir()) == []
