"""The upload routes against a real server: tus 1.0.0, and taking the complete file in."""

import hashlib
import os
import socket
import time
from pathlib import Path

import httpx
import pytest
from builders.serving import Server, serve

from histospace_core.server import measured_files, tus, upload_routes

DATA = os.urandom(3_000_000)


def measured(server: Server, answer: httpx.Response) -> Path:
    assert answer.status_code == 200, answer.text
    return measured_files.measured_file(server.context.settings, answer.json()["measured_id"])


def test_a_file_arrives_whole(server: Server) -> None:
    answer = server.upload("C5.tsv.gz", DATA, "measured")
    file = measured(server, answer)
    assert file.read_bytes() == DATA
    assert file.name == "measured.tsv.gz"
    assert answer.json()["name"] == "C5.tsv.gz"
    assert server.leftovers() == []


def test_the_answer_can_be_asked_for_again(server: Server) -> None:
    upload = server.begin("a.tsv", 3)
    server.patch(upload, 0, b"abc")
    first = server.finish(upload).json()
    assert server.finish(upload).json() == first
    assert len(list((server.context.settings.store / "measured").iterdir())) == 1


def test_a_wrong_offset_is_told_the_right_one(server: Server) -> None:
    upload = server.begin("a.tsv", 10)
    assert server.patch(upload, 0, b"abc").headers["Upload-Offset"] == "3"
    wrong = server.patch(upload, 5, b"defg")
    assert wrong.status_code == 409
    assert "stands at byte 3" in wrong.json()["error"]
    head = server.client.head(upload)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("3", "10")
    early = server.finish(upload)
    assert early.status_code == 409
    assert "not complete (3 of 10 bytes)" in early.json()["error"]


def test_an_upload_goes_on_after_a_restart(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        upload = server.begin("a.tsv", len(DATA))
        assert server.patch(upload, 0, DATA[:1_234_567]).status_code == 204
    with serve(tmp_path) as server:
        offset = server.offset(upload)
        assert offset == 1_234_567
        found = server.context.uploads.find(upload.rpartition("/")[2])
        assert server.patch(upload, offset, DATA[offset:]).status_code == 204
        assert found.sha256() == hashlib.sha256(DATA).hexdigest()
        assert measured(server, server.finish(upload)).read_bytes() == DATA


def raw_patch(server: Server, upload: str, n_promised: int, data: bytes) -> socket.socket:
    """Begin a PATCH by hand and send only a part of its body."""
    host, port = httpx.URL(server.url).host, httpx.URL(server.url).port
    connection = socket.create_connection((host, port))
    headers = {
        "Host": f"{host}:{port}",
        "Content-Length": n_promised,
        "Content-Type": tus.CHUNK_TYPE,
        "Upload-Offset": 0,
        **server.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"PATCH {upload} HTTP/1.1\r\n{head}\r\n".encode() + data)
    return connection


def wait_for_offset(server: Server, upload: str, offset: int) -> None:
    for _ in range(100):
        if server.offset(upload) == offset:
            return
        time.sleep(0.02)
    pytest.fail(f"the offset never became {offset}")


def test_what_arrived_before_a_break_is_kept(server: Server) -> None:
    upload = server.begin("a.tsv", len(DATA))
    raw_patch(server, upload, len(DATA), DATA[:2_000_000]).close()
    wait_for_offset(server, upload, 2_000_000)
    assert server.patch(upload, 2_000_000, DATA[2_000_000:]).status_code == 204
    assert measured(server, server.finish(upload)).read_bytes() == DATA


def test_a_stalled_body_is_given_up(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(upload_routes, "STALL_S", 0.3)
    upload = server.begin("a.tsv", 10)
    connection = raw_patch(server, upload, 10, b"abc")
    connection.settimeout(5)
    answer = connection.recv(4096)
    assert b"408" in answer.splitlines()[0]
    connection.close()
    assert server.offset(upload) == 3


def test_a_new_connection_takes_over_from_one_that_hangs(server: Server) -> None:
    upload = server.begin("a.tsv", 2_000_001)
    hanging = raw_patch(server, upload, 2_000_001, b"x" * 1_500_000)
    for _ in range(100):  # up to a megabyte may wait in memory
        offset = server.offset(upload)
        if offset >= 500_000:
            break
        time.sleep(0.02)
    rest = b"x" * (2_000_001 - offset)
    assert server.patch(upload, offset, rest).headers["Upload-Offset"] == "2000001"
    hanging.close()
    time.sleep(0.1)
    assert measured(server, server.finish(upload)).read_bytes() == b"x" * 2_000_001


def test_cancel_leaves_nothing(server: Server) -> None:
    upload = server.begin("a.tsv", 10)
    server.patch(upload, 0, b"abc")
    assert server.client.delete(upload).status_code == 204
    assert server.leftovers() == []
    again = server.patch(upload, 3, b"defg")
    assert again.status_code == 404
    assert "start it again" in again.json()["error"]


def test_expired_uploads_are_deleted_and_others_stay(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        old = server.begin("old.tsv", 10)
        new = server.begin("new.tsv", 10)
        folder = tmp_path / "uploads" / old.rpartition("/")[2]
        for file in [folder, *folder.iterdir()]:
            os.utime(file, (time.time() - 90_000, time.time() - 90_000))
        assert server.context.uploads.delete_expired() == 1
        assert server.client.head(old).status_code == 404
        assert server.client.head(new).status_code == 200


def test_no_room_is_said_before_the_first_byte(server: Server, tmp_path: Path) -> None:
    server.context.uploads._reserve_bytes = 1 << 60
    answer = server.create("a.svs", 1000)
    assert answer.status_code == 507
    assert answer.json()["error"].startswith("There is not enough disk space for a.svs")
    assert server.leftovers() == []


def test_room_promised_to_others_is_counted_after_a_restart_too(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    with serve(tmp_path, upload_max_gb=free / 1e9) as server:
        assert server.create("first.svs", free // 10 * 6).status_code == 201
        assert server.create("second.svs", free // 10 * 6).status_code == 507
    with serve(tmp_path, upload_max_gb=free / 1e9) as server:
        answer = server.create("second.svs", free // 10 * 6)
        assert answer.status_code == 507
        assert "not enough disk space for second.svs" in answer.json()["error"]


def test_the_quota_counts_slides_and_what_is_on_its_way(tmp_path: Path) -> None:
    with serve(tmp_path, slides_quota_gb=0.01) as server:
        assert server.create("first.svs", 6_000_000).status_code == 201
        answer = server.create("second.svs", 6_000_000)
        assert answer.status_code == 507
        assert "HISTOSPACE_SLIDES_QUOTA_GB" in answer.json()["error"]
        assert server.create("third.svs", 3_000_000).status_code == 201
