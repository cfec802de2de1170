"""From an upload to a slide in the catalog, with real slides."""

import hashlib
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from builders.serving import Server

from histospace_core.catalog import Catalog
from histospace_core.catalog.intake import accept_slide
from histospace_core.errors import SlideError, StoreError

pytestmark = pytest.mark.shared


@pytest.fixture
def slides(shared: Path) -> Path:
    return shared / "slides"


def slide_folders(server: Server) -> set[str]:
    folder = server.context.settings.slides_dir
    return {f.name for f in folder.iterdir()} if folder.exists() else set()


def test_a_slide_becomes_a_row_and_a_folder(server: Server, slides: Path) -> None:
    data = (slides / "CMU-1-Small-Region.svs").read_bytes()
    answer = server.upload("My slide (1).SVS", data).json()
    row = server.context.catalog.slide(answer["slide_id"])
    assert answer == {"slide_id": row.id, "name": "My slide (1).SVS", "mpp": 0.499}
    assert (row.width, row.height, row.vendor) == (2220, 2967, "aperio")
    assert row.sha256 == hashlib.sha256(data).hexdigest()
    assert row.file == server.context.settings.slides_dir / row.id / "slide.svs"
    assert row.file.read_bytes() == data
    assert server.leftovers() == []


def test_the_same_slide_twice_is_one(server: Server, slides: Path) -> None:
    data = (slides / "CMU-1-Small-Region.svs").read_bytes()
    first = server.upload("first.svs", data).json()
    assert server.upload("second.svs", data).json() == first
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda name: server.upload(name, data).json(), ["a.svs", "b.svs"]))
    assert both == [first, first]
    assert slide_folders(server) == {first["slide_id"]}


def test_the_same_slide_at_the_same_time_is_one(server: Server, slides: Path) -> None:
    data = (slides / "CMU-1-Small-Region.svs").read_bytes()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: server.upload(name, data).json(), ["a.svs", "b.svs"]))
    assert answers[0] == answers[1]
    assert slide_folders(server) == {answers[0]["slide_id"]}
    assert server.leftovers() == []


def test_a_slide_without_pixel_size_is_taken_and_asks(server: Server, slides: Path) -> None:
    answer = server.upload("tcga.svs", (slides / "TCGA-CR-7395-01A-01-TS1.svs").read_bytes()).json()
    assert answer["mpp"] is None
    assert server.context.catalog.set_pixel_size(answer["slide_id"], 0.25).mpp == 0.25


@pytest.mark.parametrize(
    "file",
    ["test3-DAPI-2-387.ndpi", "small.svs", "boxes.tiff", "unopenable.tiff", "unreadable.svs"],
)
def test_what_the_probe_refuses_leaves_nothing(server: Server, slides: Path, file: str) -> None:
    name = f"Mrs X {file}"
    answer = server.upload(name, (slides / file).read_bytes())
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error.startswith(name)  # the user's name of it, not the store's
    assert "slide." not in error.removeprefix(name).split(":")[0]
    assert slide_folders(server) == set()
    assert server.leftovers() == []
    assert list(server.context.catalog.slides()) == []


def test_a_truncated_slide_is_refused_or_whole_where_it_matters(
    server: Server, slides: Path
) -> None:
    data = (slides / "CMU-1-Small-Region.svs").read_bytes()
    answer = server.upload("cut.svs", data[: len(data) // 2])
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("cut.svs")


def test_a_catalog_that_fails_keeps_no_file(server: Server, slides: Path, tmp_path: Path) -> None:
    settings = server.context.settings
    file = Path(shutil.copy(slides / "CMU-1-Small-Region.svs", tmp_path / "a.svs"))
    impatient = Catalog(settings.catalog_url, busy_timeout_s=0.1)
    other = sqlite3.connect(settings.store / "catalog.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="in use by another program"):
        accept_slide(settings, impatient, file, "a.svs", "ab")
    other.execute("ROLLBACK")
    other.close()
    impatient.close()
    assert slide_folders(server) == set()
    assert server.leftovers() == []


def test_a_sample_keeps_its_mark(server: Server, slides: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(slides / "CMU-1-Small-Region.svs", tmp_path / "a.svs"))
    context = server.context
    row = accept_slide(context.settings, context.catalog, file, "s.svs", "ab", is_sample=True)
    assert row.is_sample
    assert not file.exists()


def test_an_empty_archive_is_refused(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.touch()
    context = server.context
    with pytest.raises(SlideError, match=r"slides\.zip: the file is empty"):
        accept_slide(context.settings, context.catalog, file, "slides.zip", "ab")
    assert not file.exists()
