"""What the tus specification asks of a server, and an independent client that relies on it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from builders.serving import UPLOADS, Server, metadata, serve

from histospace_core.server import tus
from histospace_core.server.measured_files import measured_file
from histospace_core.server.uploads import KEEP_S

DATA = os.urandom(3_000_000)


def test_options_names_what_the_server_supports(server: Server) -> None:
    upload = server.begin("a.tsv", 10)
    for address in (UPLOADS, upload):
        answer = httpx.options(server.url + address)  # without a token and without a version
        assert answer.status_code == 204
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Max-Size"] == "20000000000"
        extensions = set(answer.headers["Tus-Extension"].split(","))
        assert extensions == {"creation", "creation-with-upload", "termination", "expiration"}


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0"])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_another_version_is_refused(server: Server, method: str, version: str | None) -> None:
    upload = server.begin("a.tsv", 10)
    headers = {name: v for name, v in server.headers.items() if name != "Tus-Resumable"}
    headers |= {"Upload-Offset": "0", "Content-Type": tus.CHUNK_TYPE}
    if version is not None:
        headers["Tus-Resumable"] = version
    address = server.url + (UPLOADS if method == "POST" else upload)
    answer = httpx.request(method, address, headers=headers)
    assert answer.status_code == 412
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert server.offset(upload) == 0


def test_every_answer_names_the_version(server: Server) -> None:
    upload = server.begin("a.tsv", 3)
    answers = [
        server.create("a.tsv", 0),
        server.patch(upload, 2, b"c"),
        server.patch(upload, 0, b"abc"),
        server.client.head(upload),
        server.finish(upload),
        server.client.delete(upload),
        server.client.head(f"{UPLOADS}/{'0' * 32}"),
        httpx.post(server.url + UPLOADS),
    ]
    assert [a.status_code for a in answers] == [400, 409, 204, 200, 200, 204, 404, 403]
    assert {a.headers["Tus-Resumable"] for a in answers} == {"1.0.0"}


def test_creation_names_the_upload_and_when_it_expires(server: Server) -> None:
    answer = server.create("a.tsv", 10, "measured")
    assert answer.status_code == 201
    assert answer.content == b""
    assert answer.headers["Location"].startswith(f"{UPLOADS}/")
    expires = parsedate_to_datetime(answer.headers["Upload-Expires"]).timestamp()
    assert expires == pytest.approx(time.time() + KEEP_S, abs=10)


def test_creation_may_carry_the_first_chunk(server: Server) -> None:
    headers = {
        "Upload-Length": "5",
        "Upload-Metadata": metadata("a.tsv", "measured"),
        "Content-Type": tus.CHUNK_TYPE,
    }
    answer = server.client.post(UPLOADS, headers=headers, content=b"abc")
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "3")
    assert server.offset(answer.headers["Location"]) == 3


def test_head_repeats_the_metadata_and_is_not_cached(tmp_path: Path) -> None:
    encoded = f"{metadata('Größe; a,b.svs', 'slide')},filetype"
    with serve(tmp_path) as server:
        headers = {"Upload-Length": "10", "Upload-Metadata": encoded}
        upload = server.client.post(UPLOADS, headers=headers).headers["Location"]
    with serve(tmp_path) as server:
        answer = server.client.head(upload)
    assert answer.headers["Upload-Metadata"] == encoded
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "text/plain"])
def test_a_chunk_of_another_type_is_refused(server: Server, content_type: str | None) -> None:
    upload = server.begin("a.tsv", 10)
    headers = {"Upload-Offset": "0"}
    if content_type is not None:
        headers["Content-Type"] = content_type
    answer = server.client.patch(upload, content=b"abc", headers=headers)
    assert answer.status_code == 415
    assert server.offset(upload) == 0


def test_a_proxy_that_lets_only_post_through(server: Server) -> None:
    upload = server.begin("a.tsv", 10)
    headers = {"Upload-Offset": "0", "Content-Type": tus.CHUNK_TYPE}
    for method, status in (("PATCH", 204), ("HEAD", 200), ("DELETE", 204), ("HEAD", 404)):
        override = {**headers, "X-HTTP-Method-Override": method}
        answer = server.client.post(upload, headers=override, content=b"abc")
        assert answer.status_code == status
    answer = server.client.post(upload)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, HEAD, PATCH, DELETE")


@contextmanager
def cutting_proxy(server: Server, cut_after: int) -> Iterator[tuple[str, list[int]]]:
    """Pass bytes on to the server; cut the first connection after `cut_after` bytes of it.

    Yields the proxy's address, and the bytes that each connection has passed on to the server.
    """
    target = (httpx.URL(server.url).host, httpx.URL(server.url).port)
    sent: list[int] = []

    def pass_on(source: socket.socket, sink: socket.socket, n: int | None) -> None:
        with source, sink:
            while data := source.recv(1 << 16):
                sink.sendall(data)
                if n is None:
                    continue
                sent[n] += len(data)
                if n == 0 and sent[0] >= cut_after:
                    source.shutdown(socket.SHUT_RDWR)
                    sink.shutdown(socket.SHUT_RDWR)
                    return

    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            upstream = socket.create_connection(target)
            sent.append(0)
            for ends in ((client, upstream, len(sent) - 1), (upstream, client, None)):
                threading.Thread(target=_quietly, args=(pass_on, ends), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", sent
        finally:
            listening.shutdown(socket.SHUT_RDWR)


def _quietly(function, arguments) -> None:
    with suppress(OSError):
        function(*arguments)


def test_an_independent_client_resumes_after_a_cut_and_a_restart(tmp_path: Path) -> None:
    """Tuspy sends one chunk; the connection is cut in it, and the server restarted after it."""
    client_module = pytest.importorskip("tusclient.client", reason="the package tuspy is missing")
    communication = pytest.importorskip("tusclient.exceptions")
    file = tmp_path / "counts.tsv"
    file.write_bytes(DATA)
    about = {"filename": "counts.tsv", "kind": "measured"}
    store = tmp_path / "store"

    with (
        serve(store) as server,
        cutting_proxy(server, 2_000_000) as (address, sent),
        file.open("rb") as stream,
    ):
        headers = {name: v for name, v in server.headers.items() if name != "Tus-Resumable"}
        client = client_module.TusClient(f"{server.url}{UPLOADS}", headers=headers)
        uploader = client.uploader(file_stream=stream, metadata=about, chunk_size=len(DATA))
        uploader.set_url(uploader.create_url())
        upload = httpx.URL(uploader.url).path
        uploader.set_url(address + upload)
        with pytest.raises(communication.TusCommunicationError):
            uploader.upload_chunk()
        for _ in range(100):
            if (kept := server.offset(upload)) > 1_900_000:
                break
            time.sleep(0.02)
        assert 1_900_000 < kept <= sent[0]

    with (
        serve(store) as server,
        cutting_proxy(server, 1 << 40) as (address, sent),
        file.open("rb") as stream,
    ):
        client = client_module.TusClient(f"{address}{UPLOADS}", headers=headers)
        uploader = client.uploader(file_stream=stream, url=address + upload, chunk_size=500_000)
        assert uploader.offset == kept
        uploader.upload()
        assert len(DATA) - kept <= sum(sent) < len(DATA) - kept + 10_000  # headers, no byte twice
        answer = server.finish(upload).json()
        assert measured_file(server.context.settings, answer["measured_id"]).read_bytes() == DATA
