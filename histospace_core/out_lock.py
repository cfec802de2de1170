"""A lock file beside a result: one process at a time writes it.

The file names the process. A lock whose process has ended is taken over; a process on another
host cannot be checked, so its lock is refused, and the sentence says how to remove it.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar

from histospace_core.errors import StoreError
from histospace_core.files import disk_errors
from histospace_core.process import identity, is_alive

P = ParamSpec("P")
T = TypeVar("T")
Holder = dict[str, str]

_PATIENCE_S = 5.0
"""For another process that is just writing its lock, or is just taking one over."""
_run: ContextVar[str] = ContextVar("run", default="")


def alone_in(parameter: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let one process at a time run a function with the same path as `parameter`.

    A second call raises `StoreError` at once, see `locked`.
    """

    def decorate(work: Callable[P, T]) -> Callable[P, T]:
        arguments = signature(work)

        @wraps(work)
        def alone(*args: P.args, **kwargs: P.kwargs) -> T:
            with locked(arguments.bind(*args, **kwargs).arguments[parameter]):
                return work(*args, **kwargs)

        return alone

    return decorate


@contextmanager
def for_run(run: str) -> Iterator[None]:
    """Take over locks of a run's earlier attempt in the block, even one on another host.

    The catalog has decided that the earlier attempt is no longer the run's.
    """
    token = _run.set(run)
    try:
        yield
    finally:
        _run.reset(token)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Lock a file or folder, which need not exist, against other processes and calls.

    Parent folders are created. Of these and `out`, what is new and an empty folder at the end is
    removed, so that refused work leaves nothing. Of the processes that torchrun started only the
    first locks, because only the first writes.

    Raises
    ------
    StoreError
        Another process writes `out`, or the lock cannot be written.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK") != "0":
        yield
        return
    with disk_errors(out):  # a name may be too long to be looked for
        file = lock_file(out)
        whole = out.resolve()
        made = [folder for folder in (whole, *whole.parents) if not folder.exists()]
    mine = {
        "id": uuid.uuid4().hex,
        "process": identity(),
        "run": _run.get(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]]),
        "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
    }
    try:
        with disk_errors(out):
            _take(file, mine, out)
        try:
            yield
        finally:
            if _read(file) == mine:
                file.unlink(missing_ok=True)
    finally:
        for folder in made:
            with suppress(OSError):  # not made, or not empty
                folder.rmdir()


def lock_file(out: Path) -> Path:
    """Return the lock file of `out`: beside it, or in it where its own folder is read-only."""
    whole = out.resolve()
    inside = whole.is_dir() and not os.access(whole.parent, os.W_OK)
    return (whole if inside else whole.parent) / f".{whole.name[:200]}.lock"


def _take(file: Path, mine: Holder, out: Path) -> None:
    """Write the lock file as its only holder."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if _create(file, mine):
                return
        except FileNotFoundError:  # another process has removed its empty folder
            if time.monotonic() > until:
                raise  # a folder in which nothing can be made, such as /proc
        holder = _read(file)
        if holder is None:
            if file.exists() and time.monotonic() > until:
                raise _damaged(file, out)
        elif not _is_stale(holder, mine):
            raise _refused(file, holder, out)
        elif _replace(file, holder, mine, out):
            return
        elif time.monotonic() > until:
            raise _refused(file, holder, out)
        time.sleep(0.02)


def _replace(file: Path, stale: Holder, mine: Holder, out: Path) -> bool:
    """Replace the lock of a dead process; False if another process is doing so.

    Who takes over holds a lock of the lock meanwhile, or two could replace it one after the other.
    """
    guard = file.with_name(f"{file.name}.{stale['id'][:8]}")
    try:
        _take(guard, mine, out)
    except StoreError:
        return False
    try:
        if _read(file) != stale:
            return False
        part = _write_part(file, mine)
        part.replace(file)
        return True
    finally:
        guard.unlink()


def _create(file: Path, mine: Holder) -> bool:
    """Create the lock file with its content; False if it exists."""
    part = _write_part(file, mine)
    try:
        os.link(part, file)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        try:
            with file.open("x", encoding="utf-8") as made:
                made.write(json.dumps(mine))
        except FileExistsError:
            return False
    finally:
        part.unlink()
    return True


def _write_part(file: Path, mine: Holder) -> Path:
    part = file.with_name(f"{file.name}.{mine['id'][:8]}.part")
    part.write_text(json.dumps(mine), encoding="utf-8")
    return part


def _read(file: Path) -> Holder | None:
    """Return the content of a lock; None if it is gone, or not or not yet whole."""
    try:
        content = json.loads(file.read_text("utf-8"))
        return {key: str(content[key]) for key in ("id", "process", "run", "command", "since")}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _is_stale(holder: Holder, mine: Holder) -> bool:
    alive = is_alive(holder["process"])
    return holder["run"] == mine["run"] != "" if alive is None else not alive


def _refused(file: Path, holder: Holder, out: Path) -> StoreError:
    host, pid, *_ = [*holder["process"].split("/"), ""]
    remedy = "wait until it has ended, or choose another name"
    if is_alive(holder["process"]) is None:
        remedy += f"; if that process is dead, delete '{file}'"
    return StoreError(
        f"process {pid} on {host} ({holder['command']}) has been writing here since "
        f"{holder['since']}",
        path=out,
        remedy=remedy,
    )


def _damaged(file: Path, out: Path) -> StoreError:
    return StoreError(
        "may be in use by another process, whose lock file cannot be read",
        path=out,
        remedy=f"if no process writes it, delete '{file}'",
    )
