"""Files and folders appear whole or not at all, and a hash says what they hold."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from histospace_core.errors import StoreError
from histospace_core.files import (
    atomic_write,
    create,
    disk_errors,
    is_hidden,
    move_into_place,
    sha256,
    visible_files,
    write_bytes,
    write_json,
)


def test_a_file_replaces_a_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.json"
    write_json(file, {"a": 1})
    write_json(file, {"a": 2})
    assert file.read_text() == '{\n  "a": 2\n}\n'
    assert [p.name for p in file.parent.iterdir()] == ["a.json"]


def fail_half_way(path: Path, durable: bool = True) -> None:
    with atomic_write(path, durable=durable) as part:
        part.mkdir()
        (part / "a").write_text("half")
        raise ZeroDivisionError


@pytest.mark.parametrize("durable", [True, False])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, durable: bool) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail_half_way(file, durable)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with pytest.raises(ZeroDivisionError):
        fail_half_way(folder)
    assert list(tmp_path.iterdir()) == []
    with atomic_write(folder) as part:
        (part / "inner").mkdir(parents=True)
        (part / "inner" / "a").write_text("all")
        assert not folder.exists()
    assert (folder / "inner" / "a").read_text() == "all"


def test_content_and_folder_are_flushed_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only then does a power cut leave the old file or the new one, and never an empty one."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def record_fsync(handle: int) -> None:
        steps.append(f"fsync {Path('/proc/self/fd', str(handle)).readlink().name}")
        fsync(handle)

    def record_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "replace", record_replace)
    folder = tmp_path / "part"
    folder.mkdir()
    (folder / "a").write_text("a")
    move_into_place(folder, tmp_path / "whole")
    assert steps == ["fsync a", "fsync part", "rename", f"fsync {tmp_path.name}"]
    steps.clear()
    write_bytes(tmp_path / "b", b"b", durable=False)
    assert steps == ["rename"]


def test_create_refuses_what_exists(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(StoreError, match="'a' exists already"), create(tmp_path / "a"):
        pytest.fail("the block must not run")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "a: cannot be written (the disk is full); free some space and try again."),
        (errno.EROFS, "change the folder's permissions or choose another folder."),
        (errno.EIO, "free some space or choose another folder."),
    ],
)
def test_what_a_disk_can_do(tmp_path: Path, number: int, sentence: str) -> None:
    with pytest.raises(StoreError) as caught, disk_errors(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).endswith(sentence)
    assert caught.value.path == tmp_path / "a"


def test_the_hash_of_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 10_000_000)
    (tmp_path / "b").write_bytes(b"b")
    read: list[bytes] = []
    assert sha256(tmp_path / "b", on_piece=read.append) == hashlib.sha256(b"b").hexdigest()
    assert read == [b"b"]
    both = hashlib.sha256(b"a" * 10_000_000 + b"b").hexdigest()
    assert sha256(tmp_path / "a", tmp_path / "b") == both


def test_files_that_a_system_makes_for_itself_are_not_visible(tmp_path: Path) -> None:
    for name in ("b.dcm", "a.dcm", "._a.dcm", ".DS_Store", "Thumbs.db", "THUMBS.DB", "desktop.ini"):
        (tmp_path / name).touch()
    for name in ("__MACOSX", "folder"):
        (tmp_path / name).mkdir()
    assert [path.name for path in visible_files(tmp_path)] == ["a.dcm", "b.dcm"]
    assert is_hidden("__MACOSX")
    assert not is_hidden("folder")
