"""Downloads that break, are refused, are wrong: nothing lost, nothing half-written."""

import hashlib
import os
from pathlib import Path

import pytest
import requests
from builders.range_server import Files

from histospace_core.errors import Cancelled, StoreError
from histospace_core.progress import Progress, no_progress
from histospace_core.public_cohorts.download import RemoteFile, download_files, git_id
from histospace_core.public_cohorts.resume import CHUNK, DownloadError, Resuming

CONTENT = os.urandom(5 * CHUNK + 17)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def put(server: Files, content: bytes = CONTENT, path: str = "a/image.tif") -> RemoteFile:
    target = server.folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return RemoteFile(path, f"{server.address}/{path}")


def pinned(file: RemoteFile) -> RemoteFile:
    return RemoteFile(file.path, file.url, len(CONTENT), f"sha256:{SHA256}")


def left(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_file_arrives_whole_and_is_not_fetched_again(server: Files, folder: Path) -> None:
    file, seen = put(server), []
    (path,) = download_files([file], folder, seen.append)
    assert path.read_bytes() == CONTENT
    assert left(folder) == ["a/image.tif"]
    assert seen[-1] == Progress(len(CONTENT), len(CONTENT), "image.tif")
    assert [event.done for event in seen] == sorted(event.done for event in seen)
    assert len(seen) >= 5
    download_files([file], folder)
    assert len(server.gets()) == 1


@pytest.mark.parametrize("etags", [True, False])
def test_a_dropped_connection_is_continued(server: Files, folder: Path, etags: bool) -> None:
    file, server.etags = pinned(put(server)), etags
    server.drop_after[file.path] = [2 * CHUNK, CHUNK]
    (path,) = download_files([file], folder)
    assert path.read_bytes() == CONTENT
    first, second, third = server.gets()
    assert (first.range, first.status) == (None, 200)
    assert (second.range, second.status) == (f"bytes={2 * CHUNK}-", 206)
    assert (third.range, third.status) == (f"bytes={3 * CHUNK}-", 206)
    assert sum(r.sent for r in server.gets()) == len(CONTENT), "no byte was sent twice"
    assert bool(second.if_range) == etags


def test_the_next_call_goes_on_where_the_last_one_stopped(server: Files, folder: Path) -> None:
    file = put(server)
    server.drop_after[file.path] = [2 * CHUNK, 0, 0, 0, 0]
    with pytest.raises(
        DownloadError, match="run the same command again to continue where it stopped"
    ):
        download_files([file], folder)
    assert not (folder / "a").exists()
    n = len(server.gets())
    (path,) = download_files([file], folder)
    assert path.read_bytes() == CONTENT
    assert [r.range for r in server.gets()[n:]] == [f"bytes={2 * CHUNK}-"]
    assert left(folder) == ["a/image.tif"]


def test_cancelling_keeps_the_beginning(server: Files, folder: Path) -> None:
    def stop(event: Progress) -> None:
        if event.done >= 2 * CHUNK:
            raise Cancelled("enough")

    file = put(server)
    with pytest.raises(Cancelled):
        download_files([file], folder, stop)
    assert all(name.startswith(".partial/") for name in left(folder))
    download_files([file], folder)
    assert server.gets()[-1].range == f"bytes={2 * CHUNK}-"


def test_two_versions_are_never_glued_together(server: Files, folder: Path) -> None:
    file = put(server)
    server.drop_after[file.path] = [2 * CHUNK, 0, 0, 0, 0]
    with pytest.raises(DownloadError):
        download_files([file], folder)
    newer = os.urandom(len(CONTENT))
    put(server, newer)
    (path,) = download_files([file], folder)
    assert path.read_bytes() == newer
    assert (server.gets()[-1].range, server.gets()[-1].status) == (f"bytes={2 * CHUNK}-", 200)


def test_a_shorter_version_starts_anew(server: Files, folder: Path) -> None:
    file = RemoteFile("a/image.tif", put(server).url, CHUNK, "sha256:" + "0" * 64)
    part = folder / ".partial/a__image.tif"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"0" * 3 * CHUNK)
    put(server, short := os.urandom(CHUNK))
    file = RemoteFile(file.path, file.url, CHUNK, f"sha256:{hashlib.sha256(short).hexdigest()}")
    (path,) = download_files([file], folder)
    assert path.read_bytes() == short
    assert [r.status for r in server.gets()] == [416, 200]


def test_a_busy_server_is_asked_again(server: Files, folder: Path) -> None:
    file = pinned(put(server))
    server.status[file.path] = 503
    with pytest.raises(DownloadError, match=r"image\.tif: 127\.0\.0\.1 answers 503; try later"):
        download_files([file], folder)
    assert len(server.gets()) == 4
    assert not folder.exists()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, r"image\.tif: 127\.0\.0\.1 answers 404: there is no such file; check the name"),
        (403, r"image\.tif: 127\.0\.0\.1 refuses access \(403\); give the address of a mirror"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_refused_or_absent(
    server: Files, folder: Path, status: int, message: str, known: bool
) -> None:
    file = put(server)
    server.status[file.path] = status
    with pytest.raises(DownloadError, match=message):
        download_files([pinned(file) if known else file], folder)
    assert len(server.log) == 1, "asked once"
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"x" * len(CONTENT), CONTENT + b"x", CONTENT[:-1], b"error"])
def test_another_file_is_refused_and_not_kept(server: Files, folder: Path, content: bytes) -> None:
    file = pinned(put(server, content))
    with pytest.raises(DownloadError, match=r"image\.tif: the server sent another file than"):
        download_files([file], folder)
    assert not folder.exists()


def test_an_error_page_in_place_of_the_file_passes(server: Files, folder: Path) -> None:
    """Mendeley sends a small JSON with status 200 now and then."""
    file = pinned(put(server))
    server.instead[file.path] = [b'{"error": "busy"}']
    assert download_files([file], folder)[0].read_bytes() == CONTENT
    assert len(server.gets()) == 2


def test_a_server_that_answers_no_head(server: Files, folder: Path) -> None:
    server.heads = False
    assert download_files([put(server)], folder)[0].read_bytes() == CONTENT


def test_a_flood_of_unknown_size_is_cut_off(server: Files, folder: Path) -> None:
    file = put(server)
    downloader = Resuming(
        folder.parent / "part",
        size=None,
        limit=CHUNK,
        hashed=False,
        headers={},
        on_progress=no_progress,
    )
    with pytest.raises(ValueError, match="bytes"):
        downloader(file.url, str(folder), None)
    assert not (folder.parent / "part").exists()


def test_a_git_id_is_a_checksum(server: Files, folder: Path) -> None:
    file = put(server, b"hello\n", "t.txt")
    assert git_id(server.folder / "t.txt") == "ce013625030ba8dba906f756967f9e9ca394464a"
    good = RemoteFile("t.txt", file.url, 6, "git:ce013625030ba8dba906f756967f9e9ca394464a")
    assert download_files([good], folder)[0].read_text() == "hello\n"
    bad = RemoteFile("u.txt", file.url, 6, "git:" + "0" * 40)
    with pytest.raises(DownloadError, match="another file"):
        download_files([bad], folder)
    assert left(folder) == ["t.txt"]


def test_a_spoilt_file_is_fetched_again(server: Files, folder: Path) -> None:
    file = pinned(put(server))
    (path,) = download_files([file], folder)
    path.write_bytes(b"spoilt")
    download_files([file], folder)
    assert path.read_bytes() == CONTENT
    assert len(server.gets()) == 2


def test_a_full_disk_is_seen_before_a_byte_is_fetched(server: Files, folder: Path) -> None:
    file = put(server)
    server.declared[file.path] = 10**18
    with pytest.raises(StoreError, match=r"needs 1,000,000,000\.0 GB more, .* GB are free in"):
        download_files([file], folder)
    assert not server.gets()
    assert not folder.exists()


def test_no_network(folder: Path) -> None:
    nobody = RemoteFile("a.tif", "http://127.0.0.1:9/a.tif", 3, "sha256:" + "0" * 64)
    with pytest.raises(DownloadError, match="the server cannot be reached; connect to the network"):
        download_files([nobody], folder)
    with pytest.raises(DownloadError, match="the server cannot be reached"):
        download_files([RemoteFile("a.tif", nobody.url)], folder)
    assert not folder.exists()


def test_no_address(folder: Path) -> None:
    with pytest.raises(DownloadError, match="is no address to download from"):
        download_files([RemoteFile("a", "nonsense/a", 3)], folder)
    assert not folder.exists()


def test_a_folder_that_cannot_be_written(server: Files, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        download_files([pinned(put(server))], tmp_path / "file")


def test_an_unencrypted_detour_is_refused() -> None:
    from histospace_core.public_cohorts.resume import _require_tls

    answer = requests.Response()
    answer.url = "http://elsewhere.example/a"
    with pytest.raises(DownloadError, match="without encryption"):
        _require_tls("https://here.example/a", answer)
    _require_tls("http://here.example/a", answer)
