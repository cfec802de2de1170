"""Which process answers for a run, written so that its end can be told from the row alone."""

import os
import socket

import psutil

_SAME_START_S = 2.0  # a process's start is derived from the boot time, which drifts a little


def identity() -> str:
    """Return this process as "host/pid/start", start in seconds since the epoch."""
    started = psutil.Process().create_time()
    return f"{socket.gethostname()}/{os.getpid()}/{started:.0f}"


def is_gone(who: str) -> bool:
    """Whether a process of this host has ended; of other hosts only the heartbeat tells."""
    try:
        host, pid, started = who.split("/")
        if host != socket.gethostname():
            return False
        process = psutil.Process(int(pid))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(process.create_time() - float(started)) > _SAME_START_S
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.AccessDenied):
        return False
