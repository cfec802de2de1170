"""The download of a real section, against a server on this machine."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from histospace_core.errors import Cancelled, StoreError
from histospace_core.expression import read_measured
from histospace_core.sample import download
from histospace_core.sample.download import SECTIONS, DownloadError, download_her2st


class Quiet(SimpleHTTPRequestHandler):
    """A file server that keeps the log of the tests clean."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A client that hangs up is what some tests are about."""

    def handle_error(self, *args: object) -> None:
        """Say nothing."""


def serve(folder: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(folder))
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def her2st(shared: Path) -> Iterator[str]:
    yield from serve(shared / "her2st")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A small mirror of our own, to be spoilt."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for url in serve(folder):
        yield folder, url


def fill(folder: Path, content: bytes) -> None:
    for file in SECTIONS["C5"]:
        path = folder / file.path
        path.parent.mkdir(parents=True)
        path.write_bytes(content)


@pytest.mark.shared
def test_a_section_arrives_whole_and_is_read(her2st: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    section = download_her2st("C5", tmp_path / "new", her2st, lambda *now: seen.append(now))
    assert read_measured(section.counts, section.spots).n_obs == 181
    assert section.image.stat().st_size == SECTIONS["C5"][0].size
    assert seen[-1][0] == seen[-1][1] == sum(file.size for file in SECTIONS["C5"])
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 20
    assert len(list((tmp_path / "new").iterdir())) == 3


@pytest.mark.shared
def test_whole_files_are_not_fetched_again(
    her2st: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = download_her2st("C5", tmp_path, her2st)
    first.spots.write_text("spoilt")
    fetched: list[str] = []
    real = download._fetch
    monkeypatch.setattr(
        download, "_fetch", lambda file, *rest: (fetched.append(file.path), real(file, *rest))
    )
    download_her2st("C5", tmp_path, her2st)
    assert fetched == ["ST-spotfiles/C5_selection.tsv"]
    download_her2st("C5", tmp_path, "http://127.0.0.1:9/nobody-is-asked")
    assert len(fetched) == 1


@pytest.mark.shared
def test_every_pin_is_that_of_the_data(shared: Path) -> None:
    for files in SECTIONS.values():
        for file in files:
            path = shared / "her2st" / file.path
            assert path.stat().st_size == file.size
            assert download.pooch.file_hash(str(path)) == file.sha256
    readme = (shared / "her2st" / "README.md").read_text()
    for image, *_ in SECTIONS.values():
        assert f"{image.sha256}  {image.path.removeprefix('ST-imgs/')}" in readme


@pytest.mark.shared
def test_cancelling_leaves_nothing(her2st: str, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > 10**6:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        download_her2st("C5", tmp_path, her2st, stop)
    assert not list(tmp_path.iterdir())


def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be reached; connect to the network"):
        download_her2st("C5", tmp_path, "http://127.0.0.1:9")
    assert not list(tmp_path.iterdir())


def test_not_found(mirror: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"5714_HE_BT_E1\.jpg: the server answers 404"):
        download_her2st("C5", tmp_path / "new", mirror[1])
    assert not list((tmp_path / "new").iterdir())


def test_another_file(mirror: tuple[Path, str], tmp_path: Path) -> None:
    fill(mirror[0], b"another file")
    with pytest.raises(DownloadError, match="another file than the pinned one"):
        download_her2st("C5", tmp_path / "new", mirror[1])
    assert not list((tmp_path / "new").iterdir())


def test_a_flood_is_stopped(mirror: tuple[Path, str], tmp_path: Path) -> None:
    fill(mirror[0], b"0" * (SECTIONS["C5"][0].size + 4 * 2**20))
    most = 0

    def watch(done: int, total: int) -> None:
        nonlocal most
        most = max(most, done)

    with pytest.raises(DownloadError, match="another file than the pinned one"):
        download_her2st("C5", tmp_path / "new", mirror[1], watch)
    assert most <= SECTIONS["C5"][0].size
    assert not list((tmp_path / "new").iterdir())


def test_unknown_section(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="choose B4, C2, C3, C4, C5"):
        download_her2st("Z9", tmp_path, "http://127.0.0.1:9")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be stored"):
        download_her2st("C5", tmp_path / "file", "http://127.0.0.1:9")
