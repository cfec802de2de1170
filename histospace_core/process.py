"""The identity of this process and the cores it may use, and whether another one is alive."""

import os
import socket
from pathlib import Path

import psutil


def identity() -> str:
    """Return this process as "host/pid/start"."""
    return f"{socket.gethostname()}/{os.getpid()}/{_start(os.getpid())}"


def usable_cores() -> int:
    """Return the cores that this process may use; a container may grant it fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_alive(process: str) -> bool | None:
    """Return whether a process on this host is still running; None if it is on another host.

    Parameters
    ----------
    process
        As `identity` returned it there.
    """
    host, _, rest = process.partition("/")
    pid, _, start = rest.partition("/")
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
