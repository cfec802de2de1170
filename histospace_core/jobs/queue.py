"""Queue, cancel, resume and watch runs. The row in SQL is the truth; Dask only runs the work."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

from histospace_core.catalog import RESUMABLE, Catalog, Kind, RunRow, State
from histospace_core.catalog.quota import fill_reserve
from histospace_core.errors import HistospaceError, JobError
from histospace_core.jobs.cluster import Cluster
from histospace_core.jobs.log import log_to
from histospace_core.jobs.tasks import Work
from histospace_core.jobs.worker import perform
from histospace_core.process import identity, is_alive
from histospace_core.settings import Settings

STALE_AFTER_BEATS = 6  # a catalog that is locked for a moment may swallow some
_log = logging.getLogger(__name__)


class Queue:
    """Runs in worker processes, and a watchdog that finds runs whose process has ended.

    Parameters
    ----------
    settings
        Store, catalog, number of workers, or the address of a scheduler elsewhere.
    catalog
        Of the same store; workers open their own.
    """

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._identity = identity()
        self._lock = threading.RLock()  # `_send` holds it while `_connect` takes it
        self._cluster: Cluster | None = None
        self._futures: dict[str, Any] = {}  # run id -> the Dask future of its work
        self._closed = threading.Event()
        self._watchdog: threading.Thread | None = None

    def start(self) -> None:
        """Start the worker processes and the watchdog, unless they are running.

        Raises
        ------
        JobError
            Processes cannot be started, or the named scheduler cannot be reached.
        """
        self._connect()

    def _connect(self) -> Cluster:
        with self._lock:
            if self._closed.is_set():
                raise JobError("The app is shutting down: start it again, then the run.")
            if self._watchdog is None:
                log_to(self._settings.store)
                fill_reserve(self._settings.store)
                self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._watchdog.start()
            if self._cluster is None:
                self._cluster = Cluster(self._settings)
            return self._cluster

    def close(self) -> None:
        """Stop the worker processes and the watchdog; runs under way become "interrupted"."""
        self._closed.set()
        with self._lock:
            if self._watchdog is not None:
                self._watchdog.join()
            # Before the cluster closes, which ends every future.
            mine = [run_id for run_id, future in self._futures.items() if not future.done()]
            if self._cluster is not None:
                self._cluster.close()
            self._cluster = None
            self._futures.clear()
        for run_id in mine:
            self._catalog.set_state(run_id, State.INTERRUPTED)

    def recover(self) -> list[str]:
        """Mark runs without a living process as interrupted; return their ids."""
        lost = self._catalog.recover(
            STALE_AFTER_BEATS * self._settings.heartbeat_s,
            # Dask resends what is in `_futures`; on another host (None), only heartbeats tell.
            lambda run: run.id not in self._futures and is_alive(run.worker) is False,
        )
        for run_id in lost:
            _log.warning("Run %s is interrupted: its process has ended", run_id)
        return lost

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop; a run that has not begun is cancelled immediately.

        Raises
        ------
        JobError
            The run has ended.
        """
        if self._catalog.set_state(run_id, State.CANCELLED, only_from=[State.QUEUED]):
            self._forget(run_id)
        elif not self._catalog.set_state(run_id, State.CANCELLING) and (
            self._catalog.run(run_id).state != State.CANCELLING  # cancelling twice is no error
        ):
            raise JobError("This run has already ended: there is nothing to cancel.")

    def resume(self, run_id: str, work: Work | None = None) -> None:
        """Queue an interrupted, cancelled or failed run again; it continues where it stopped.

        Raises
        ------
        JobError
            The run is done or under way.
        """
        if not self._catalog.set_state(
            run_id, State.QUEUED, only_from=RESUMABLE, worker=self._identity, error=None
        ):
            raise JobError("Only a run that was interrupted, cancelled or failed can be resumed.")
        self._send(self._catalog.run(run_id), work)

    def _submit(
        self,
        kind: Kind,
        settings: dict[str, Any],
        *,
        slide_id: str | None = None,
        model_name: str = "",
        runs_dir: Path | None = None,
        work: Work | None = None,
        batch: bool = False,
        **columns: Any,
    ) -> str:
        """Enter a run in the catalog and send it to the workers; return its id.

        Parameters
        ----------
        columns
            Further arguments of `Catalog.add_run`.
        """
        run = self._catalog.add_run(
            slide_id,
            model_name,
            settings,
            kind=kind,
            runs_dir=runs_dir or self._settings.runs_dir,
            worker=self._identity,
            **columns,
        )
        # The same work may already be queued, here or by another app on this store.
        is_new = run.worker == self._identity and run.id not in self._futures
        if is_new and run.state == State.QUEUED:
            self._send(run, work, batch=batch)
        return run.id

    def _send(self, run: RunRow, work: Work | None = None, *, batch: bool = False) -> None:
        try:
            with self._lock:
                self._futures[run.id] = self._connect().submit(
                    run,
                    perform,
                    self._settings.model_dump(mode="json"),
                    run.id,
                    run.attempt,
                    work,
                    batch=batch,
                )
        except JobError as error:
            self._catalog.fail(run.id, str(error))
            raise

    def _watch(self) -> None:
        """Every second or so, renew the heartbeat of queued runs and find interrupted ones."""
        period = min(1.0, self._settings.heartbeat_s)
        last_beat, logged = time.monotonic(), ""
        while not self._closed.wait(period):
            try:
                self._collect_futures()
                self._requeue_lost()
                if time.monotonic() - last_beat >= self._settings.heartbeat_s:
                    last_beat = time.monotonic()
                    self._catalog.beat_queued(self._identity)
                    fill_reserve(self._settings.store)  # again, for a worker may have released it
                self.recover()
                logged = ""
            except HistospaceError as error:
                if str(error) != logged:  # once, not every second
                    logged = str(error)
                    _log.warning("The watchdog could not check the runs", exc_info=True)

    def _collect_futures(self) -> None:
        """Drop finished futures; interrupt a run whose future failed without a word in its row."""
        # A copy, for other threads submit meanwhile.
        for run_id, future in list(self._futures.items()):
            if future.done():
                self._futures.pop(run_id, None)
                if future.status in ("error", "lost", "cancelled"):
                    self._catalog.set_state(run_id, State.INTERRUPTED)

    def _requeue_lost(self) -> None:
        """Set runs whose worker has died to queued, until Dask has sent them to another worker."""
        for run in self._catalog.runs_by_id(list(self._futures)):
            if is_alive(run.worker) is not False:
                continue
            if self._catalog.set_state(
                run.id,
                State.QUEUED,
                attempt=run.attempt,
                only_from=[State.RUNNING],
                worker=self._identity,
            ):
                _log.warning("Run %s lost its worker and waits for another one", run.id)
            elif self._catalog.set_state(
                run.id, State.CANCELLED, attempt=run.attempt, only_from=[State.CANCELLING]
            ):
                self._forget(run.id)

    def _forget(self, run_id: str) -> None:
        """Cancel a run's work in Dask."""
        future = self._futures.pop(run_id, None)
        if future is not None:
            future.cancel()
