"""The task of a worker process: claim a run, do its work with a heartbeat, record the result.

It takes only plain values, so any process on any machine with access to the catalog and the store
can be a worker.
"""

import errno
import logging
import threading
import time
from functools import partial
from types import TracebackType
from typing import Any, Self

from histospace_core.catalog import Catalog, Kind, RunRow, State, new_id
from histospace_core.catalog.quota import release_reserve
from histospace_core.errors import Cancelled, HistospaceError, StoreError, shown_as
from histospace_core.jobs.log import log_to
from histospace_core.jobs.tasks import TASKS, Task, Work
from histospace_core.out_lock import for_run
from histospace_core.process import identity, is_alive
from histospace_core.progress import Progress
from histospace_core.settings import Settings

_TICK_S = 1.0  # how soon a run notices that it should stop
_log = logging.getLogger(__name__)

# A worker may die because of its machine, so Dask may send its run to another one. If the second
# worker dies too, the run has probably killed both by its use of memory, and would kill others.
_ATTEMPTS = 2
_DIED = (
    "The worker process ended twice during this run, probably because memory was short: "
    "close other programs, then resume the run."
)
_BEGUN = (State.RUNNING, State.CANCELLING)


def perform(values: dict[str, Any], run_id: str, sent_after: int, work: Work | None = None) -> str:
    """Do a queued run in this process and return its final state.

    Parameters
    ----------
    values
        `Settings.model_dump(mode="json")` of the app.
    sent_after
        Number of attempts of the run when it was sent to Dask.
    work
        The work; by default that of the run's kind.
    """
    settings = Settings(**values)
    log_to(settings.store)
    catalog = Catalog(settings.catalog_url, actor="worker")
    try:
        run = _claim(catalog, run_id, sent_after)
        if run is not None:  # None: it was cancelled while queued, or another worker has it
            _do(settings, catalog, run, work or TASKS[Kind(run.kind)])
        return catalog.run(run_id).state
    finally:
        catalog.close()


def _claim(catalog: Catalog, run_id: str, sent_after: int) -> RunRow | None:
    """Begin a run as its only worker, even if an earlier worker has died during it.

    Dask sends a task again when it has lost the connection to the worker. A worker on this host is
    then checked for life. A worker on another host may still be alive, but its attempt is no longer
    the run's, so it cannot write to the row and stops at its next heartbeat.
    """
    run = catalog.run(run_id)
    lost = run.state in _BEGUN and not is_alive(run.worker)
    if run.attempt > sent_after and (lost or run.state in (State.QUEUED, State.INTERRUPTED)):
        move = partial(catalog.set_state, run_id, attempt=run.attempt)
        if run.state == State.CANCELLING:
            move(State.CANCELLED, only_from=[run.state])
        elif run.attempt < sent_after + _ATTEMPTS:
            move(State.QUEUED, only_from=[State.RUNNING, State.INTERRUPTED])
        else:
            move(State.INTERRUPTED, only_from=[run.state], error=_DIED)
    return catalog.claim(run_id, identity())


def _do(settings: Settings, catalog: Catalog, run: RunRow, work: Work) -> None:
    _log.info("Run %s (%s) begins, attempt %d", run.id, run.kind, run.attempt)
    try:
        # Errors show the user's name of the file, not the store's.
        names = {run.slide.file: run.slide.name} if run.slide else {}
        with (
            Heartbeat(catalog, run, settings.heartbeat_s) as heartbeat,
            shown_as(names),
            for_run(run.id),
        ):
            record = work(Task(settings, catalog, run, heartbeat.on_progress))
        end = partial(catalog.finish, record=record)
    except Cancelled:
        cancelling = [State.CANCELLING.value]
        # An attempt that another one has replaced stops in the same way, and must not write.
        end = partial(catalog.set_state, state=State.CANCELLED, only_from=cancelling)
    except HistospaceError as error:
        end = partial(catalog.fail, sentence=str(error))
    except Exception as error:  # the row must not stay "running"
        end = partial(catalog.fail, sentence=_sentence(error, run))
    try:
        end(run.id, attempt=run.attempt)
    except StoreError:  # most likely the disk is full
        release_reserve(settings.store)
        end(run.id, attempt=run.attempt)
    _log.info("Run %s ended: %s", run.id, catalog.run(run.id).state)


def _sentence(error: Exception, run: RunRow) -> str:
    """Return one sentence on the error that stopped a run, and write the full error to the log."""
    reference = new_id()[:8]
    _log.error("Run %s failed, reference %s", run.id, reference, exc_info=error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "The disk is full: free some space in the store, then resume the run."
    # torch's error by its name, for this module loads no torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "The memory was not enough: close other programs or use another device, then resume."
    return (
        f"An unexpected error stopped the run (reference {reference}): "
        "resume it, or ask your operator to look up this reference in the log."
    )


class Heartbeat:
    """Report a run's progress to its row, and read from the row when to stop.

    This happens in a separate thread, so that a long step does not look like a dead process.

    Parameters
    ----------
    run
        The claimed run; heartbeats are accepted only while its attempt is the row's.
    heartbeat_s
        Maximum time between two heartbeats, s; progress is written at most once a second.
    """

    def __init__(self, catalog: Catalog, run: RunRow, heartbeat_s: float) -> None:
        self._catalog = catalog
        self._run = run
        self._heartbeat_s = heartbeat_s
        self._progress = self._written = Progress(run.done, run.total)
        self._last_beat = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.state: str = run.state

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._tick()  # the last progress, before the run's state ends

    def on_progress(self, event: Progress) -> None:
        """Record the progress of the work.

        Raises
        ------
        Cancelled
            The user has cancelled the run, or another attempt has replaced this one.
        """
        self._progress = event
        if self.state != State.RUNNING:
            raise Cancelled("The run was cancelled.")

    def _beat(self) -> None:
        while not self._stop.wait(min(_TICK_S, self._heartbeat_s)):
            self._tick()

    def _tick(self) -> None:
        now = time.monotonic()
        progress = self._progress
        try:
            if progress != self._written or now - self._last_beat >= self._heartbeat_s:
                self.state = self._catalog.heartbeat(
                    self._run.id,
                    progress.done,
                    progress.total,
                    progress.sentence(),
                    attempt=self._run.attempt,
                )
                self._written, self._last_beat = progress, now
            else:
                # Nothing to write: a read shows a cancellation without making other writers wait.
                row = self._catalog.run(self._run.id)
                current = row.attempt == self._run.attempt
                self.state = row.state if current else State.INTERRUPTED
        except StoreError:  # a catalog locked for a moment must not end hours of work
            _log.warning("Run %s: the heartbeat could not be written", self._run.id, exc_info=True)
