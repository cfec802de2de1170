"""The link of a working process to its run's row: heartbeat and progress out, cancel in."""

import logging
import threading
import time
from types import TracebackType
from typing import Self

from histospace_core.catalog import Catalog, RunRow, State
from histospace_core.errors import Cancelled, StoreError
from histospace_core.progress import Progress

_TICK_S = 1.0
_log = logging.getLogger(__name__)


class Heartbeat:
    """Beats in a thread of its own, so that a long step is not taken for a dead process.

    Parameters
    ----------
    run
        As claimed: its attempt is the one that beats.
    heartbeat_s
        Longest time between two beats, in seconds; progress is written once a second at most.
    """

    def __init__(self, catalog: Catalog, run: RunRow, heartbeat_s: float) -> None:
        self._catalog = catalog
        self._run = run
        self._heartbeat_s = heartbeat_s
        self._progress = self._written = Progress(run.done, run.total)
        self._last_beat = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
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
        self._tick()

    def on_progress(self, event: Progress) -> None:
        """Note how far the work is and what it is doing.

        Raises
        ------
        Cancelled
            The user asked to stop, or this attempt is no longer the one that counts.
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
                row = self._catalog.run(self._run.id)
                current = row.attempt == self._run.attempt
                self.state = row.state if current else State.INTERRUPTED
        except StoreError:  # a catalog locked for a moment must not end hours of work
            _log.warning("Run %s: the heartbeat could not be written", self._run.id, exc_info=True)
