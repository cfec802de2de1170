"""One process at a time writes a result; a dead one stops nobody; refused work leaves nothing."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from histospace_core.errors import StoreError
from histospace_core.out_lock import alone_in, for_run, lock_file, locked
from histospace_core.process import identity

HOLD = """
import sys
from pathlib import Path
from histospace_core.out_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
TAKE = """
import sys, time
from pathlib import Path
from histospace_core.errors import StoreError
from histospace_core.out_lock import locked
sys.stdin.readline()
try:
    with locked(Path(sys.argv[1])):
        print("won", flush=True)
        time.sleep(1)
except StoreError:
    print("refused", flush=True)
"""


def start(code: str, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def left_by(out: Path, **changed: str) -> Path:
    """Leave a lock, of this process where nothing else is said."""
    holder = {"id": "f" * 32, "process": identity(), "run": "", "command": "c", "since": "s"}
    file = lock_file(out)
    file.write_text(json.dumps(holder | changed))
    return file


def test_the_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    out = tmp_path / "new" / "run"
    with start(HOLD, out) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(StoreError) as refused, locked(out):
            pass
        said = str(refused.value)
        assert said.startswith(f"run: process {first.pid} on {socket.gethostname()} (")
        assert said.endswith("; wait until it has ended, or choose another name.")
        assert lock_file(out).exists(), "the loser leaves the winner's lock"
        first.communicate("")
    with locked(out):
        assert out.parent.exists()
    assert list(tmp_path.iterdir()) == [], "lock and folders are gone"


def test_a_symlink_to_a_locked_folder_is_locked(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with (
        locked(tmp_path / "run"),
        pytest.raises(StoreError, match="has been writing here"),
        locked(tmp_path / "link"),
    ):
        pass


def test_a_killed_process_stops_nobody(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with start(HOLD, out) as first:
        first.stdout.readline()
        first.kill()
        first.communicate()
    assert lock_file(out).exists()
    with locked(out):
        assert json.loads(lock_file(out).read_text())["process"] == identity()
    assert list(tmp_path.iterdir()) == []


def test_another_process_of_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    host, pid, began = identity().split("/")
    left_by(tmp_path / "run", process=f"{host}/{pid}/{int(began) - 1}")
    with locked(tmp_path / "run"):
        pass


def test_of_many_that_find_a_stale_lock_one_wins(tmp_path: Path) -> None:
    out = tmp_path / "run"
    left_by(out, process=f"{socket.gethostname()}/{os.getpid()}/0")
    takers = [start(TAKE, out) for _ in range(6)]
    for taker in takers:
        taker.stdin.write("\n")
        taker.stdin.flush()
    with ThreadPoolExecutor(len(takers)) as pool:
        said = list(pool.map(lambda taker: taker.communicate()[0], takers))
    assert sorted(said) == ["refused\n"] * 5 + ["won\n"]
    assert list(tmp_path.iterdir()) == []


def test_a_stale_lock_of_a_taker_that_died_is_taken_over_too(tmp_path: Path) -> None:
    dead = f"{socket.gethostname()}/{os.getpid()}/0"
    file = left_by(tmp_path / "run", process=dead)
    guard = file.with_name(f"{file.name}.ffffffff")
    guard.write_text(file.read_text().replace("f" * 32, "e" * 32))
    with locked(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_process_on_another_host_is_refused_and_how_to_remove_its_lock_is_said(
    tmp_path: Path,
) -> None:
    file = left_by(tmp_path / "run", process="elsewhere/12/34")
    with pytest.raises(StoreError) as refused, locked(tmp_path / "run"):
        pass
    assert str(refused.value) == (
        "run: process 12 on elsewhere (c) has been writing here since s; wait until it has ended, "
        f"or choose another name; if that process is dead, delete '{file}'."
    )


def test_a_run_tried_again_takes_over_from_its_earlier_worker_on_another_host(
    tmp_path: Path,
) -> None:
    left_by(tmp_path / "run", process="elsewhere/12/34", run="r1")
    with pytest.raises(StoreError), for_run("r2"), locked(tmp_path / "run"):
        pass
    with for_run("r1"), locked(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_hard_links_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with locked(tmp_path / "run"), pytest.raises(StoreError), locked(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("histospace_core.out_lock._PATIENCE_S", 0.1)
    lock_file(tmp_path / "run").write_text("")
    with pytest.raises(StoreError, match="cannot be read; if no process"), locked(tmp_path / "run"):
        pass


def test_a_folder_in_a_read_only_folder_is_locked_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)  # root may write anywhere
    with locked(tmp_path / "run"):
        assert [file.name for file in (tmp_path / "run").iterdir()] == [".run.lock"]


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^run: cannot be written"), locked(tmp_path / "file/run"):
        pass


def test_processes_of_torchrun_share_the_lock_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("RANK", "1")
    with locked(tmp_path / "run"):
        assert not lock_file(tmp_path / "run").exists()


def test_work_that_fails_leaves_no_empty_folder_and_keeps_what_was_there(tmp_path: Path) -> None:
    @alone_in("out")
    def refused(what: str, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        raise StoreError(what)

    for out in (tmp_path / "a" / "b", tmp_path):
        with pytest.raises(StoreError, match="no"):
            refused("no", out=out)
    assert tmp_path.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["x" * 300, "file/out"])
def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"), locked(tmp_path / out):
        pytest.fail("it was locked")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a file system that takes no file")
def test_a_folder_that_takes_no_file_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histospace_core.out_lock._PATIENCE_S", 0.1)
    with pytest.raises(StoreError, match="cannot be written"), locked(Path("/proc/out")):
        pytest.fail("it was locked")
