"""What may arrive at the upload route that is no honest slide from our own page."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from builders.serving import UPLOADS, Server, metadata, serve
from builders.small_disk import needs_root, small_disk

from histospace_core.server import tus
from histospace_core.server.uploads import MAX_UNFINISHED

ABOUT = {"Upload-Length": "10", "Upload-Metadata": metadata("a.svs", "slide")}
UNKNOWN = f"{UPLOADS}/{'0' * 32}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path / "store", upload_max_gb=0.02) as running:
        yield running


def refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status
    error = answer.json()["error"]
    assert words in error
    assert "\n" not in error


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page(server: Server, headers: dict[str, str]) -> None:
    answer = server.client.post(UPLOADS, headers={**ABOUT, **headers})
    refused(answer, 403, "only from this app's own pages")


def test_our_own_page(server: Server) -> None:
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert server.client.post(UPLOADS, headers={**ABOUT, **headers}).status_code == 201


@pytest.mark.parametrize("token", ["", "1.x", "99999999999.AAAA"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", UPLOADS),
        ("HEAD", UNKNOWN),
        ("PATCH", UNKNOWN),
        ("DELETE", UNKNOWN),
        ("POST", f"{UNKNOWN}/finish"),
    ],
)
def test_without_a_token_of_ours(server: Server, token: str, method: str, path: str) -> None:
    headers = {"X-Histospace-Token": token, "Tus-Resumable": tus.VERSION}
    answer = httpx.request(method, server.url + path, headers=headers)
    if method == "HEAD":
        assert answer.status_code == 403
    else:
        refused(answer, 403, "This page has expired: reload it")
    assert not server.context.settings.uploads_dir.exists()


def test_a_preflight_from_elsewhere_is_granted_nothing(server: Server) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PATCH"}
    answer = httpx.options(server.url + UNKNOWN, headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload-Length": "10"},
        {"Upload-Metadata": metadata("a.svs", "slide")},
        {**ABOUT, "Upload-Length": "-1"},
        {**ABOUT, "Upload-Length": "1.5"},
        {**ABOUT, "Upload-Length": "²".encode()},
        {**ABOUT, "Upload-Length": "1" + "0" * 400},
        {**ABOUT, "Upload-Length": "1" + "0" * 5000},
        {"Upload-Defer-Length": "1", "Upload-Metadata": metadata("a.svs", "slide")},
        {**ABOUT, "Upload-Metadata": metadata("a.svs", "model")},
        {**ABOUT, "Upload-Metadata": metadata("", "slide")},
        {**ABOUT, "Upload-Metadata": "kind c2xpZGU="},
        {**ABOUT, "Upload-Metadata": "filename ???,kind c2xpZGU="},
        {**ABOUT, "Upload-Metadata": "filename //79,kind c2xpZGU="},
        {**ABOUT, "Upload-Metadata": ",,"},
    ],
)
def test_requests_that_make_no_sense(server: Server, headers: dict[str, str | bytes]) -> None:
    answer = server.client.post(UPLOADS, headers=headers)
    refused(answer, 400, "Upload-")
    assert not server.context.settings.uploads_dir.exists()


def test_metadata_without_end(server: Server) -> None:
    headers = {**ABOUT, "Upload-Metadata": metadata("x" * 30_000, "slide")}
    refused(server.client.post(UPLOADS, headers=headers), 413, "too long")


def test_an_empty_file(server: Server) -> None:
    refused(server.create("a.svs", 0), 400, "a.svs is empty: choose another file")


def test_over_the_cap_by_its_own_words(server: Server) -> None:
    answer = server.create("a.svs", 20_000_001)
    refused(answer, 413, "the limit is 0.02 GB")
    assert answer.headers["Tus-Max-Size"] == "20000000"
    assert not server.context.settings.uploads_dir.exists()


@pytest.mark.parametrize("with_length", [True, False])
def test_more_bytes_than_named(server: Server, with_length: bool) -> None:
    upload = server.begin("a.svs", 1000, "slide")
    data = b"x" * 5_000_000
    body = data if with_length else iter([data[:100], data[100:]])  # chunked: no Content-Length
    answer = server.patch(upload, 0, body)
    refused(answer, 413, "a.svs is longer than the 1000 bytes announced")
    part = server.context.settings.uploads_dir / upload.rpartition("/")[2] / "part"
    assert part.stat().st_size <= 1000


@pytest.mark.parametrize("offset", ["", "-1", "x", "1e3", "²", "9" * 30, "9" * 5000])
def test_offsets_that_are_none(server: Server, offset: str) -> None:
    upload = server.begin("a.svs", 1000, "slide")
    headers = {"Upload-Offset": offset.encode(), "Content-Type": tus.CHUNK_TYPE}
    answer = server.client.patch(upload, content=b"x", headers=headers)
    assert answer.status_code in (400, 409)
    assert server.offset(upload) == 0


@pytest.mark.parametrize(
    "upload_id", ["x", "..", "%2e%2e", "..%2f..%2fcatalog.db", "0" * 32, "A" * 32]
)
def test_ids_that_are_none(server: Server, upload_id: str) -> None:
    assert server.client.head(f"/api/uploads/{upload_id}").status_code == 404
    assert server.client.delete(f"/api/uploads/{upload_id}").status_code in (404, 405)
    assert (server.context.settings.store / "catalog.db").exists()


def test_too_many_at_once(server: Server) -> None:
    for _ in range(MAX_UNFINISHED):
        assert server.create("a.svs", 10).status_code == 201
    refused(server.create("a.svs", 10), 503, "Too many uploads are unfinished")


def test_a_tampered_record_of_an_upload(server: Server) -> None:
    folder = server.context.settings.uploads_dir / ("a" * 32)
    folder.mkdir(parents=True)
    for text in ("", "[]", '{"name": "a"}', '{"folder": "/etc"}'):
        (folder / "upload.json").write_text(text)
        assert server.client.head(f"/api/uploads/{'a' * 32}").status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.svs",
        "a\0b.svs",
        "x" * 300 + ".svs",
        "\u202egpj.svs",
        "<script>x</script>.svs",
        "[a](b).svs",
    ],
)
def test_names_never_become_paths(server: Server, name: str) -> None:
    answer = server.upload(name, b"text, no slide")
    assert answer.status_code == 422
    assert server.leftovers() == []
    files = [f for f in server.context.settings.store.rglob("*") if f.is_file()]
    assert {f.name for f in files} <= {
        "catalog.db",
        "catalog.db-wal",
        "catalog.db-shm",
        "secret.key",
    }
    assert list(server.context.catalog.slides()) == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("random.svs", os.urandom(5000)),
        ("text.svs", b"no slide at all\n" * 100),
        ("page.svs", b"<html><script>alert(1)</script></html>"),
        ("none", b"II*\0" + b"\0" * 100),
        ("bomb.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 50),
    ],
)
def test_what_is_no_slide_is_refused_by_its_name(server: Server, name: str, data: bytes) -> None:
    refused(server.upload(name, data), 422, name)
    assert server.leftovers() == []
    assert list(server.context.catalog.slides()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slides.zip", "slides.zip: the zip is damaged or of an unknown kind"),
        ("a.mrxs", "is the index of a MIRAX slide"),
        ("a.vms", "is the index of a Hamamatsu VMS slide"),
    ],
)
def test_formats_of_several_files(server: Server, name: str, words: str) -> None:
    refused(server.upload(name, b"PK\3\4"), 422, words)
    assert server.leftovers() == []


@needs_root
def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    with small_disk(tmp_path, 4) as disk, serve(disk, upload_max_gb=1) as server:
        refused(server.create("huge.svs", 10_000_000), 507, "not enough disk space for huge.svs")
        server.context.uploads._reserve_bytes = 0
        upload = server.begin("a.svs", 2_500_000, "slide")
        _fill(disk / "filler")
        answer = server.patch(upload, 0, b"x" * 2_500_000)
        refused(answer, 507, "not enough disk space for a.svs")
        assert server.leftovers() == []
        (disk / "filler").unlink()
        assert list(server.context.catalog.slides()) == []
        assert server.create("a.svs", 1_000_000).status_code == 201


def _fill(file: Path) -> None:
    """Leave a megabyte free."""
    status = os.statvfs(file.parent)
    file.write_bytes(b"\0" * (status.f_bavail * status.f_frsize - 1_000_000))


def test_a_slow_sender_does_not_hold_up_others(server: Server) -> None:
    upload = server.begin("a.svs", 1000, "slide")
    url = httpx.URL(server.url)
    slow = [socket.create_connection((url.host, url.port)) for _ in range(20)]
    for connection in slow:
        headers = {"Host": url.netloc.decode(), "Content-Type": tus.CHUNK_TYPE, **server.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(
            f"PATCH {upload} HTTP/1.1\r\n{head}"
            "Upload-Offset: 0\r\nContent-Length: 1000\r\n\r\nx".encode()
        )
    assert server.create("b.svs", 10).elapsed.total_seconds() < 2
    for connection in slow:
        connection.close()
