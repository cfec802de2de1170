"""Start, cancel, resume and watch runs. The row in SQL is the truth; Dask only lends hands."""

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from histospace_core.catalog import Catalog, Kind, State, new_id
from histospace_core.catalog.states import RESUMABLE
from histospace_core.errors import HistospaceError, JobError
from histospace_core.jobs.bodies import Body
from histospace_core.jobs.cluster import connect
from histospace_core.jobs.disk_reserve import keep_reserve
from histospace_core.jobs.identity import identity, is_gone
from histospace_core.jobs.log import log_to
from histospace_core.jobs.submissions import Submissions
from histospace_core.jobs.work import perform
from histospace_core.settings import Settings

STALE_AFTER_BEATS = 6
_log = logging.getLogger(__name__)


class Jobs(Submissions):
    """Runs in worker processes, and a watchdog that finds the ones whose process has ended.

    Parameters
    ----------
    settings
        Store, catalog, number of workers, or the address of a scheduler elsewhere.
    catalog
        Of the same store; workers open their own.
    """

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        super().__init__(settings, catalog)
        self._identity = identity()
        self._lock = threading.RLock()
        self._client: Any = None
        self._cluster: Any = None
        self._futures: dict[str, Any] = {}
        self._closed = threading.Event()
        self._watchdog: threading.Thread | None = None

    def start(self) -> None:
        """Start the worker processes and the watchdog; does nothing when they run.

        Raises
        ------
        JobError
            Processes cannot be started, or the named scheduler cannot be reached.
        """
        with self._lock:
            if self._closed.is_set():
                raise JobError("The app is shutting down: start it again, then the run.")
            if self._watchdog is None:
                log_to(self._settings.store)
                keep_reserve(self._settings.store)
                self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._watchdog.start()
            if self._client is None:
                self._client, self._cluster = connect(self._settings)

    def close(self) -> None:
        """Stop all that `start` started; runs under way become "interrupted"."""
        self._closed.set()
        with self._lock:
            if self._watchdog is not None:
                self._watchdog.join()
            mine = [run_id for run_id, future in self._futures.items() if not future.done()]
            for closing in (self._client, self._cluster):
                if closing is not None:
                    with suppress(TimeoutError):  # a busy machine; the processes end with us
                        closing.close(timeout=5)
            self._client = self._cluster = None
            self._futures.clear()
        for run_id in mine:
            self._catalog.set_state(run_id, State.INTERRUPTED)

    def recover(self) -> list[str]:
        """Mark runs that an earlier process left behind as interrupted; return their ids."""
        stale_after_s = STALE_AFTER_BEATS * self._settings.heartbeat_s
        lost = self._catalog.recover(stale_after_s, lambda run: is_gone(run.worker))
        for run_id in lost:
            _log.warning("Run %s is interrupted: no living process answers for it", run_id)
        return lost

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop; one that still waits is cancelled at once.

        Raises
        ------
        JobError
            The run has ended.
        """
        if self._catalog.set_state(run_id, State.CANCELLED, only_from=[State.QUEUED]):
            future = self._futures.pop(run_id, None)
            if future is not None:
                future.cancel()
        elif not self._catalog.set_state(run_id, State.CANCELLING) and (
            self._catalog.run(run_id).state != State.CANCELLING
        ):
            raise JobError("This run has ended already: there is nothing to cancel.")

    def resume(self, run_id: str, body: Body | None = None) -> None:
        """Queue an interrupted, cancelled or failed run again; it goes on where it stopped.

        Raises
        ------
        JobError
            The run is done or under way.
        """
        if not self._catalog.set_state(
            run_id, State.QUEUED, only_from=RESUMABLE, worker=self._identity, error=None
        ):
            raise JobError("Only a run that was interrupted, cancelled or failed can be resumed.")
        self._send(run_id, body)

    def _submit(
        self,
        kind: Kind,
        slide_id: str | None,
        model_name: str,
        settings: dict[str, Any],
        model_sha256: str | None = None,
        note: str = "",
        body: Body | None = None,
        runs_dir: Path | None = None,
    ) -> str:
        run = self._catalog.add_run(
            slide_id,
            model_name,
            settings,
            runs_dir=runs_dir or self._settings.runs_dir,
            kind=kind,
            model_sha256=model_sha256,
            worker=self._identity,
            note=note,
        )
        if run.id not in self._futures and run.state == State.QUEUED:
            self._send(run.id, body)
        return run.id

    def _send(self, run_id: str, body: Body | None = None) -> None:
        try:
            with self._lock:
                self.start()
                self._futures[run_id] = self._client.submit(
                    perform,
                    self._settings.model_dump(mode="json"),
                    run_id,
                    body,
                    key=f"{run_id}-{new_id()[:8]}",  # a key that Dask knows would not run again
                    pure=False,
                    retries=0,
                )
        except JobError as error:
            self._catalog.fail(run_id, str(error))
            raise

    def _watch(self) -> None:
        """Every second or so: the queue beats, and runs without a living process are found."""
        period = min(1.0, self._settings.heartbeat_s)
        last_beat, complaint = time.monotonic(), ""
        while not self._closed.wait(period):
            try:
                self._collect_futures()
                if time.monotonic() - last_beat >= self._settings.heartbeat_s:
                    last_beat = time.monotonic()
                    self._catalog.beat_queued(self._identity)
                    keep_reserve(self._settings.store)
                self.recover()
                complaint = ""
            except HistospaceError as error:
                if str(error) != complaint:  # said once, not every second
                    complaint = str(error)
                    _log.warning("The watchdog could not look after the runs", exc_info=True)

    def _collect_futures(self) -> None:
        """Drop what has ended; a future that died without its row knowing interrupts the run."""
        for run_id, future in list(self._futures.items()):
            if future.done():
                self._futures.pop(run_id, None)
                if future.status in ("error", "lost", "cancelled"):
                    self._catalog.set_state(run_id, State.INTERRUPTED)
