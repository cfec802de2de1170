"""Overviews and exports by signed links."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from builders.serving import Server
from PIL import Image

from histospace_core.catalog import RunRow, SlideRow
from histospace_core.server import run_file_url, slide_image_url
from histospace_core.slides.open import open_slide


@pytest.fixture
def slide(server: Server, tmp_path: Path) -> SlideRow:
    """A slide in the store: a colour ramp of 3000 x 2000 px."""
    folder = server.context.settings.slides_dir / ("a" * 32)
    folder.mkdir(parents=True)
    x = np.linspace(0, 255, 3000).astype(np.uint8)
    pixels = np.zeros((2000, 3000, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = x, 128
    file = folder / "slide.png"
    Image.fromarray(pixels).save(file)
    with open_slide(file, mpp=0.5) as opened:
        properties = opened.properties
    return server.context.catalog.add_slide(
        file, "ramp.png", "ab" * 32, properties, slide_id=folder.name
    )


@pytest.fixture
def run(server: Server, slide: SlideRow) -> RunRow:
    """A run with exports in its folder."""
    settings = server.context.settings
    run = server.context.catalog.add_run(slide.id, "m", {}, runs_dir=settings.runs_dir)
    exports = run.directory / "exports"
    exports.mkdir(parents=True)
    (run.directory / "run.json").write_text("{}")
    (run.directory / "private.txt").write_text("private")
    (exports / "map.csv").write_text("gene,value\n")
    (exports / "folder").mkdir()
    (exports / "link.csv").symlink_to("/etc/passwd")
    return run


def get(server: Server, link: str, **headers: str) -> httpx.Response:
    return httpx.get(server.url + link, headers=headers)  # no token but the link's own


def test_an_overview_is_the_slide(server: Server, slide: SlideRow) -> None:
    answer = get(server, slide_image_url(slide.id, max_px=1000))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    image = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert image.shape == (683, 1024, 3)
    assert image[300, 10, 0] < 20 < 235 < image[300, 1010, 0]  # the ramp runs from left to right


def test_an_overview_is_made_once(server: Server, slide: SlideRow) -> None:
    link = slide_image_url(slide.id, 512)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: get(server, link), range(4)))
    assert {len(a.content) for a in answers} == {len(answers[0].content)}
    file = server.context.settings.slides_dir / slide.id / "overview-512.jpg"
    made = file.stat().st_mtime_ns
    assert get(server, link).status_code == 200
    assert file.stat().st_mtime_ns == made
    assert [f.name for f in file.parent.iterdir() if f.suffix == ".part"] == []


def test_a_browser_that_has_it_is_told_so(server: Server, slide: SlideRow) -> None:
    link = slide_image_url(slide.id)
    etag = get(server, link).headers["etag"]
    again = get(server, link, **{"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_links_of_a_page_are_stable(server: Server, slide: SlideRow) -> None:
    assert slide_image_url(slide.id, 2000) == slide_image_url(slide.id, 2048)


@pytest.mark.parametrize("max_px", [1, 256, 9999])
def test_sizes_are_a_few(server: Server, slide: SlideRow, max_px: int) -> None:
    size = slide_image_url(slide.id, max_px).split("max=")[1].split("&")[0]
    assert size in {"256", "4096"}


def test_an_overview_of_a_lost_slide(server: Server, slide: SlideRow) -> None:
    slide.file.unlink()
    assert get(server, slide_image_url(slide.id)).status_code == 404
    assert get(server, slide_image_url("b" * 32)).status_code == 404


def test_exports_are_downloaded(server: Server, run: RunRow) -> None:
    answer = get(server, run_file_url(run.id, "map.csv"))
    assert answer.text == "gene,value\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="map.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert get(server, run_file_url(run.id, "run.json")).text == "{}"


@pytest.mark.parametrize(
    "name", ["private.txt", "folder", "link.csv", "none.csv", "..", ".hidden", "prediction.zarr"]
)
def test_nothing_else_is_served_even_if_signed(server: Server, run: RunRow, name: str) -> None:
    assert get(server, run_file_url(run.id, name)).status_code == 404


def test_unsigned_and_foreign_links_lead_nowhere(server: Server, run: RunRow) -> None:
    link = run_file_url(run.id, "map.csv")
    path = urlsplit(link).path
    for other in (
        path,
        path + "?token=",
        path + "?token=9999999999.AAAA",
        link.replace("map.csv", "run.json"),
        link.replace(run.id, "0" * 32),
        link + "&max=1",
        link.replace("/runs/", "/slides/"),
        f"/api/slides/{run.slide_id}/image.jpg?max=512",
    ):
        assert get(server, other).status_code == 404, other
    assert server.client.get(path).status_code == 404  # an upload's token opens no file
