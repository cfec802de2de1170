"""The Dask cluster that runs the work: embedded, or a scheduler that the settings name."""

import ipaddress
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from histospace_core.catalog import Kind, RunRow, new_id
from histospace_core.errors import JobError
from histospace_core.process import usable_cores
from histospace_core.settings import Settings

_MEMORY = 2e9  # bytes; the largest slides take 1.0 GB, their characterisation 1.8 GB
_TRAINING_MEMORY = 8e9
_TRAINING = (Kind.TRAIN, Kind.EVALUATE, Kind.ADAPT)
_PRIORITY = {  # higher goes first: runs that a user waits for
    Kind.IMPORT: 4,
    Kind.PREDICT: 4,
    Kind.EXPORT: 3,
    Kind.CHARACTERISE: 2,
    Kind.TRAIN: 0,
    Kind.EVALUATE: 0,
    Kind.ADAPT: 0,
}
_BATCH_PRIORITY = 1

_DEATHS = 1000
"""Deaths of workers after which Dask gives a task up.

Dask counts a worker's death against every task that waited there too. The attempts in a run's row
say how often the run itself was begun, so that they decide and Dask always resends.
"""
_CONFIG = {
    "distributed.scheduler.worker-ttl": None,  # a long step in C may hold up the worker's loop
    "distributed.comm.timeouts.connect": "30s",
    "distributed.admin.log-format": "%(message)s",
}


class Cluster:
    """A connection to Dask, with a scheduler and workers of our own unless the settings name one.

    Parameters
    ----------
    settings
    deaths
        Deaths of workers, of our own scheduler, after which a task is given up.

    Raises
    ------
    JobError
        The scheduler cannot be reached safely or at all, or processes cannot be started.
    """

    def __init__(self, settings: Settings, deaths: int = _DEATHS) -> None:
        import dask
        from distributed import Client

        config = {**_CONFIG, "distributed.scheduler.allowed-failures": deaths}
        dask.config.set(config)  # not as a context: it is read while the cluster runs
        self._own: Any = None
        self._declared: list[dict[str, float]] = []
        try:
            if settings.scheduler:
                security = scheduler_security(settings.scheduler, settings)
                self._client = Client(
                    settings.scheduler, security=security, timeout=10, set_as_default=False
                )
            else:
                self._own = self._start_own(settings)
                self._client = Client(self._own, set_as_default=False)  # Dask elsewhere stays local
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            if settings.scheduler:
                raise JobError(
                    f"The scheduler {settings.scheduler} cannot be reached: check that it runs, "
                    "HISTOSPACE_SCHEDULER, and the certificates of a tls:// address."
                ) from error
            raise JobError("The worker processes cannot be started: see the log.") from error

    @property
    def is_embedded(self) -> bool:
        """Whether the scheduler and the workers are processes of this app."""
        return self._own is not None

    def submit(
        self, run: RunRow, function: Callable[..., Any], *arguments: Any, batch: bool = False
    ) -> Any:
        """Queue a function call for a run, with the resources that it needs and its priority.

        Parameters
        ----------
        batch
            Whether the run is one of many; runs that a user waits for go first.

        Returns
        -------
        distributed.Future
        """
        kind = Kind(run.kind)
        memory = _TRAINING_MEMORY if kind in _TRAINING else _MEMORY
        on_gpu = kind in (Kind.PREDICT, *_TRAINING)
        needs = _needs(memory, run.settings.get("device", "auto") if on_gpu else "cpu")
        return self._client.submit(
            function,
            *arguments,
            key=f"{kind}-{run.id}-{new_id()[:8]}",  # a key that Dask knows would not run again
            pure=False,
            priority=_BATCH_PRIORITY if batch else _PRIORITY[kind],
            resources=self._available(needs),
            retries=0,  # for tasks that raise, and ours raise only where the catalog is unreachable
        )

    def call(self, function: Callable[..., Any], *arguments: Any, device: str = "auto") -> Any:
        """Queue a function call that belongs to no run; return its future."""
        return self._client.submit(
            function,
            *arguments,
            key=f"{function.__name__}-{new_id()}",  # a key that Dask knows would not run again
            pure=False,
            resources=self._available(_needs(_MEMORY, device)),
        )

    def as_completed(self, futures: list[Any]) -> Any:
        """Return an iterator over futures as they end, to which more can be added."""
        from distributed import as_completed

        return as_completed(futures, loop=self._client.loop)

    def on_workers(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Call a function on every worker; return what it returned or raised, by address."""
        found: dict[str, Any] = self._client.run(function, *arguments, on_error="return")
        return found

    def n_workers(self) -> int:
        """Return the number of workers."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def require_workers(self) -> int:
        """Wait for a worker and return the number of workers.

        Raises
        ------
        JobError
            No worker has come within ten seconds.
        """
        try:
            self._client.wait_for_workers(1, timeout=10)
        except TimeoutError as error:
            raise JobError(
                "The scheduler has no worker; start one with: histospace worker ADDRESS."
            ) from error
        return self.n_workers()

    def close(self) -> None:
        """Disconnect, and stop the scheduler and the workers if they are our own."""
        for part in (self._client, self._own):
            if part is not None:
                with suppress(TimeoutError):  # a busy machine; the processes end with this one
                    part.close(timeout=5)

    def _available(self, needs: dict[str, float]) -> dict[str, float]:
        """Return resources, limited to those of the largest worker."""
        declared = self._declared or [
            worker["resources"]
            for worker in self._client.scheduler_info(n_workers=-1)["workers"].values()
        ]
        largest = {name: max((d.get(name, 0) for d in declared), default=0) for name in needs}
        return {name: min(need, largest[name]) for name, need in needs.items() if largest[name]}

    def _start_own(self, settings: Settings) -> Any:
        import dask
        from distributed import Nanny, Scheduler, Security, SpecCluster

        folder = settings.store / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        threads = max(1, (os.cpu_count() or 1) // settings.workers)
        threads_of = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        dask.config.set({"distributed.nanny.pre-spawn-environ": threads_of})
        # TLS on the loopback too: anyone who reaches a bare scheduler can run code.
        common = {
            "host": "127.0.0.1",
            "protocol": "tls://",
            "security": (security := Security.temporary()),
            "dashboard": False,
        }
        gpus = visible_gpus()
        memory = _memory_shares(_total_memory(), settings.workers)
        workers = {}
        for i, share in enumerate(memory):
            resources = _resources_of(share, has_gpu=i < len(gpus))
            self._declared.append(resources)
            options = common | {
                "nthreads": 1,  # one run at a time
                "resources": resources,
                "env": {"CUDA_VISIBLE_DEVICES": gpus[i] if i < len(gpus) else ""},
                "memory_limit": None,  # a worker killed by Dask could not report why
                "local_directory": str(folder),
                "silence_logs": 40,  # logging.ERROR
            }
            workers[i] = {"cls": Nanny, "options": options}
        scheduler = {"cls": Scheduler, "options": common | {"dashboard_address": "127.0.0.1:0"}}
        return SpecCluster(workers, scheduler, security=security, silence_logs=40)


def _needs(memory: float, device: str) -> dict[str, float]:
    """Return the resources of a task that computes on a device."""
    return {"MEMORY": memory} | ({"GPU": 1.0} if device != "cpu" else {})


def own_workers(tasks: int) -> int:
    """Return how many workers this machine should start for some tasks: one a core, if they fit."""
    return max(1, min(tasks, usable_cores(), int(_total_memory() // _MEMORY)))


def worker_command(scheduler: str, settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of a worker process for a scheduler elsewhere.

    The worker takes the first GPU that it can see, if there is one.

    Raises
    ------
    JobError
        The scheduler cannot be reached safely.
    """
    security = scheduler_security(scheduler, settings)
    gpus = visible_gpus()[:1]
    resources = _resources_of(_total_memory(), has_gpu=bool(gpus))
    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler]
    command += ["--nworkers", "1", "--nthreads", "1", "--no-dashboard"]
    command += ["--memory-limit", "0"]  # a worker killed by Dask could not report why
    command += ["--resources", " ".join(f"{name}={n:.0f}" for name, n in resources.items())]
    if security is not None:
        command += ["--tls-ca-file", str(settings.tls_ca)]
        command += ["--tls-cert", str(settings.tls_cert), "--tls-key", str(settings.tls_key)]
    return command, {**os.environ, "CUDA_VISIBLE_DEVICES": "".join(gpus)}


def scheduler_security(address: str, settings: Settings) -> Any:
    """Return the TLS settings for a scheduler's address; None for a plain one on this machine.

    Raises
    ------
    JobError
        The address is plain and leads elsewhere, or the TLS files are missing.
    """
    from distributed import Security

    if not address.startswith("tls://"):
        if address.startswith("tcp://") and _is_loopback(urlsplit(address).hostname):
            return None
        raise JobError(
            f"The scheduler {address} would be reached without encryption, and anyone who reaches "
            "it can run code here: use a tls:// address with HISTOSPACE_TLS_CA, "
            "HISTOSPACE_TLS_CERT and HISTOSPACE_TLS_KEY."
        )
    for name in ("tls_ca", "tls_cert", "tls_key"):
        file = getattr(settings, name)
        if file is None or not file.is_file():
            raise JobError(
                f"The scheduler {address} needs certificates: set HISTOSPACE_{name.upper()} "
                f"to a PEM file{'' if file is None else f'; {file} does not exist'}."
            )
    return Security(
        require_encryption=True,
        tls_ca_file=str(settings.tls_ca),
        tls_client_cert=str(settings.tls_cert),
        tls_client_key=str(settings.tls_key),
    )


def visible_gpus() -> list[str]:
    """Return the CUDA devices of this process, as `CUDA_VISIBLE_DEVICES` names them."""
    import torch

    n_gpus = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(n_gpus)))
    return visible.split(",")[:n_gpus]  # UUIDs, too, so not the numbers below n_gpus


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _resources_of(memory: float, has_gpu: bool) -> dict[str, float]:
    return {"MEMORY": memory} | ({"GPU": 1.0} if has_gpu else {})


def _memory_shares(total: float, n_workers: int) -> list[float]:
    """Share memory out among workers: evenly, unless an even share is too small for a training.

    In that case the first worker gets all memory that the others do not need, and does the
    trainings, one after the other.
    """
    even = total / n_workers
    if even >= _TRAINING_MEMORY:
        return [even] * n_workers
    small = min(even, _MEMORY)
    return [total - small * (n_workers - 1), *[small] * (n_workers - 1)]


def _total_memory() -> float:
    """Return the bytes of memory that this machine, or this container, has."""
    from distributed.system import MEMORY_LIMIT

    return float(MEMORY_LIMIT)
