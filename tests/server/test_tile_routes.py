"""Tiles over the wire: what they show, who gets them, what is refused."""

import io
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import httpx
import numpy as np
import pytest
from builders.finished_runs import GENES, TILE, add_run, add_slide
from builders.serving import Server, serve
from PIL import Image

from histospace_core.catalog import RunRow, SlideRow
from histospace_core.figures.colours import robust_limits
from histospace_core.server.signature_lists import layer_of, run_signatures
from histospace_core.server.tile_routes import run_layer, slide_tiles

WIDTH, HEIGHT = 1300, 900


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide whose red rises to the right and whose green rises downwards."""
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    pixels[..., 0] = np.linspace(0, 255, WIDTH)
    pixels[..., 1] = np.linspace(0, 255, HEIGHT)[:, None]
    file = tmp_path_factory.mktemp("picture") / "ramp.png"
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of these tests: none changes what another needs."""
    with serve(tmp_path_factory.mktemp("app") / "store") as running:
        yield running


@pytest.fixture(scope="module")
def slide(server: Server, picture: Path) -> SlideRow:
    return add_slide(server.context, picture)


@pytest.fixture(scope="module")
def run(server: Server, slide: SlideRow) -> RunRow:
    return add_run(server.context, slide)


def get(server: Server, path: str, granted: tuple[str, str], **query: object) -> httpx.Response:
    url, token = granted
    parameters = urlencode({**query, "token": token})
    return httpx.get(f"{server.url}{url}/{path}?{parameters}")


def pixels(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_slide_tiles_are_the_slide(server: Server, slide: SlideRow, picture: Path) -> None:
    granted = slide_tiles(slide.id)
    answer = get(server, "11/1_1.jpg", granted)
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(picture) as image:
        part = np.asarray(image.crop((512, 512, 1024, 900)), int)
    assert np.abs(pixels(answer) - part).max() < 12  # what JPEG costs
    whole = pixels(get(server, "9/0_0.jpg", granted))
    assert whole.shape == (225, 325, 3)


def test_values_and_grid_say_what_lies_where(server: Server, run: RunRow) -> None:
    granted = run_layer(run.id)
    grid = get(server, "grid.json", granted).json()
    assert grid["x"] == pytest.approx([TILE * i for i in range(13)])
    assert len(grid["y"]) == 9
    assert grid["out_of_domain"] == [0]
    for gene in GENES:
        content = get(server, "values.bin", granted, gene=gene).content
        limits, values = np.frombuffer(content[:16], "<f8"), np.frombuffer(content[16:], "<f4")
        assert tuple(limits) == robust_limits(values[1:]), "the out_of_domain tile does not count"
        open_run = server.context.tiles.open_run(run.id)
        np.testing.assert_array_equal(values, open_run.prediction.gene(gene))


def test_signatures_are_layers_like_genes(server: Server, run: RunRow) -> None:
    granted = run_layer(run.id)
    (key, *_) = run_signatures(run.directory)
    answer = get(server, "values.bin", granted, gene=layer_of(key))
    values = np.frombuffer(answer.content[16:], "<f4")
    assert values.shape == (12 * 8,)
    assert np.isnan(values).all(), "none of its genes is in this run"
    for wrong in ("shipped/none", "../x", ""):
        answer = get(server, "values.bin", granted, gene=layer_of(wrong))
        assert (answer.status_code, "no such signature" in answer.text) == (404, True)


def test_a_token_opens_one_slide_or_run_only(server: Server, run: RunRow) -> None:
    tiles, layer = slide_tiles(run.slide_id), run_layer(run.id)
    other = "b" * 32
    wrong = [
        ("11/0_0.jpg", (tiles[0], "")),
        ("11/0_0.jpg", (tiles[0], layer[1])),
        ("11/0_0.jpg", (tiles[0], slide_tiles(other)[1])),
        ("11/0_0.jpg", (tiles[0], "9999999999.AAAA")),
        ("values.bin", (layer[0], run_layer(other)[1])),
        ("grid.json", (layer[0], "")),
        ("values.bin", (layer[0], tiles[1])),
        ("11/0_0.jpg", slide_tiles(other)),
        ("values.bin", run_layer(other)),
    ]
    for path, granted in wrong:
        assert get(server, path, granted, gene=GENES[0]).status_code == 404, (path, granted[0])


@pytest.mark.parametrize(
    "path",
    [
        *("8/0_0", "12/0_0", "11/3_0", "11/0_2", "11/-1_0", "11/0", "x/0_0", "99/0_0", "0/0_0"),
        *("11/999999_0", f"11/{'9' * 5000}_0", f"{'1' * 5000}/0_0", "11/0_0_0", "11/٣_0"),
        *("11/%00_0", "11/label", "label", "macro", "11/..%2F..%2Fslide"),
    ],
)
def test_there_are_no_other_tiles(server: Server, run: RunRow, path: str) -> None:
    assert get(server, f"{path}.jpg", slide_tiles(run.slide_id)).status_code == 404


@pytest.mark.parametrize("gene", ["NONE", "", "<script>"])
def test_a_gene_that_is_not_there_is_refused_in_words(
    server: Server, run: RunRow, gene: str
) -> None:
    answer = get(server, "values.bin", run_layer(run.id), gene=gene)
    assert answer.status_code == 404
    assert "no gene" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


def test_what_a_browser_has_is_not_sent_again(server: Server, run: RunRow) -> None:
    url, token = run_layer(run.id)
    link = f"{server.url}{url}/values.bin?{urlencode({'gene': GENES[0], 'token': token})}"
    first = httpx.get(link)
    assert "private" in first.headers["cache-control"]
    again = httpx.get(link, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = httpx.get(link.replace(GENES[0], GENES[1]))
    assert other.headers["etag"] != first.headers["etag"]


def test_many_ask_at_once_and_the_memory_is_bounded(server: Server, run: RunRow) -> None:
    tiles = server.context.tiles
    places = [(level, c) for level in (10, 11) for c in range(2)] * 8
    with ThreadPoolExecutor(8) as pool:
        ask = lambda p: get(server, f"{p[0]}/{p[1]}_0.jpg", slide_tiles(run.slide_id))  # noqa: E731
        answers = list(pool.map(ask, places))
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 4
    assert len({key[-3:] for key in tiles.jpegs}) == len(tiles.jpegs), "each is made once"
    for _ in range(20):  # far more than fits
        tiles.jpegs[object()] = bytes(tiles.jpegs.maxsize // 8)
    assert tiles.jpegs.currsize <= tiles.jpegs.maxsize


def test_what_was_deleted_is_not_served_from_memory(server: Server, picture: Path) -> None:
    run = add_run(server.context, add_slide(server.context, picture, slide_id="c" * 32))
    tile, layer = slide_tiles(run.slide_id), run_layer(run.id)
    ask = [("11/0_0.jpg", tile), ("values.bin", layer), ("grid.json", layer)]
    assert {get(server, path, who, gene=GENES[0]).status_code for path, who in ask} == {200}
    server.context.catalog.delete_run(run.id)
    server.context.catalog.delete_slide(run.slide_id)
    assert {get(server, path, who, gene=GENES[0]).status_code for path, who in ask} == {404}


@pytest.mark.shared
def test_a_damaged_part_is_named_and_the_rest_goes_on(server: Server, shared: Path) -> None:
    file = shared / "slides" / "CMU-1-Small-Region.svs"
    if not file.exists():
        pytest.skip("no scanned slide in shared/slides")
    data = bytearray(file.read_bytes())
    broken = server.context.settings.store.parent / "broken.svs"
    data[200_000:260_000] = bytes(60_000)
    broken.write_bytes(data)
    slide = add_slide(server.context, broken, slide_id="d" * 32)
    pyramid = server.context.tiles.slide(slide.id).pyramid
    columns, rows = pyramid.shape(pyramid.last)
    answers = [
        get(server, f"{pyramid.last}/{c}_{r}.jpg", slide_tiles(slide.id))
        for c in range(columns)
        for r in range(rows)
    ]
    assert {a.status_code for a in answers} == {200, 422}
    assert all("cannot be read" in a.text for a in answers if a.status_code == 422)
    shutil.rmtree(slide.file.parent)


def test_the_viewers_scripts_come_from_here(server: Server) -> None:
    from histospace_core.server.assets import asset_url

    for path, text in {
        "openseadragon/openseadragon.min.js": "OpenSeadragon",
        "openseadragon/LICENSE.txt": "Redistribution",
        "tus/tus.min.js": "Upload",
        "tus/LICENSE.txt": "Resumable File Uploads",
        "viewer/viewer.js": "import",
        "viewer/panel.js": "import",
    }.items():
        answer = httpx.get(server.url + asset_url(path))
        assert text in answer.text
        assert "immutable" in answer.headers["cache-control"]
    for path in ("../../settings.py", "viewer/viewer.html", "secret.key", "viewer"):
        assert httpx.get(server.url + asset_url(path)).status_code == 404, path
    old = asset_url("viewer/viewer.js").replace(asset_url("").split("/")[3], "0" * 16)
    assert httpx.get(server.url + old).status_code == 404
