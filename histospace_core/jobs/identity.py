"""Which process answers for a run, written so that its end can be told from the row alone."""

import os
import socket
from pathlib import Path

import psutil


def identity() -> str:
    """Return this process as "host/pid/start"."""
    return f"{socket.gethostname()}/{os.getpid()}/{_start(os.getpid())}"


def is_alive(who: str) -> bool | None:
    """Whether a process of this host runs still; None for other hosts, which cannot be seen."""
    host, _, process = who.partition("/")
    pid, _, start = process.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return None
    return _start(int(pid)) == start


def _start(pid: int) -> str | None:
    """Return when a living process began, or None.

    In clock ticks since the boot where /proc tells: times of day shift when the clock is set, and
    a living process must never look like another one.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        if Path("/proc/self/stat").exists():
            state, *fields = stat.read_text().rpartition(")")[2].split()
            return None if state in "ZX" else fields[18]
        return f"{psutil.Process(pid).create_time():.0f}"
    except (OSError, psutil.Error):
        return None
