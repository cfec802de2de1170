"""The Dask cluster that lends its processes: embedded, or a scheduler that the settings name."""

import os
from pathlib import Path
from typing import Any

from histospace_core.errors import JobError
from histospace_core.settings import Settings

_CONFIG = {
    "distributed.scheduler.allowed-failures": 0,  # the run's row decides, not Dask
    "distributed.scheduler.worker-ttl": None,  # a long step in C may hold up the worker's loop
    "distributed.comm.timeouts.connect": "30s",
    "distributed.admin.log-format": "%(message)s",
}


def connect(settings: Settings) -> tuple[Any, Any]:
    """Return a Dask client, and the cluster that goes with it if it is our own.

    Raises
    ------
    JobError
        The scheduler cannot be reached, or processes cannot be started.
    """
    import dask
    from distributed import Client, LocalCluster

    # Not a context: the scheduler and nannies read their configuration while they run.
    threads = max(1, (os.cpu_count() or 1) // settings.workers)
    threads_of = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    dask.config.set({**_CONFIG, "distributed.nanny.pre-spawn-environ": threads_of})
    try:
        if settings.scheduler:
            return Client(settings.scheduler, timeout=10, set_as_default=False), None
        cluster = LocalCluster(
            processes=True,
            n_workers=settings.workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address=None,
            security=True,  # TLS: whoever reaches a bare scheduler could run code
            memory_limit=None,  # a worker that Dask kills for its memory could not say so
            local_directory=str(_scratch(settings)),
            silence_logs=40,
        )
        return Client(cluster, set_as_default=False), cluster
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        where = f"scheduler {settings.scheduler}" if settings.scheduler else "worker processes"
        raise JobError(
            f"The {where} cannot be reached or started: check HISTOSPACE_SCHEDULER and the log."
        ) from error


def _scratch(settings: Settings) -> Path:
    folder = settings.store / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
