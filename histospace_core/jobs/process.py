"""The identity of this process in a run's row, whether another process is alive, and the log."""

import logging
import os
import socket
from pathlib import Path

import psutil

LOG_FILE = "histospace.log"


def identity() -> str:
    """Return this process as "host/pid/start"."""
    return f"{socket.gethostname()}/{os.getpid()}/{_start(os.getpid())}"


def is_alive(worker: str) -> bool | None:
    """Return whether a process on this host is still running; None if it is on another host."""
    host, _, process = worker.partition("/")
    pid, _, start = process.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return None
    return _start(int(pid)) == start  # another process may have this pid by now


def _start(pid: int) -> str | None:
    """Return when a running process was started; None if there is no such process.

    The unit is clock ticks since boot where /proc exists: a time of day would change when the clock
    is set, and a running process would then look like another one.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        if Path("/proc/self/stat").exists():
            # The command's name, in brackets before the state, may contain spaces and brackets.
            state, *fields = stat.read_text().rpartition(")")[2].split()
            # Z has ended, uncollected; 18 is starttime.
            return None if state in "ZX" else fields[18]
        return f"{psutil.Process(pid).create_time():.0f}"
    except (OSError, psutil.Error):
        return None


def log_to(store: Path) -> None:
    """Append this process's messages to the store's log, which several processes share.

    It has the full text of the errors of which users see one sentence.
    """
    logger = logging.getLogger("histospace_core")
    file = store / LOG_FILE
    # A worker asks for the log at every run.
    if any(getattr(h, "baseFilename", None) == str(file.absolute()) for h in logger.handlers):
        return
    store.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    line = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(line))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
