"""The states of a run and how they change. The row is authoritative; Dask only does the work."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from histospace_core.catalog.database import Database
from histospace_core.catalog.kinds import ACTIVE, State
from histospace_core.catalog.tables import RunRow, utc_now
from histospace_core.errors import JobError, StoreError
from histospace_core.inference.record import Record, as_json

RESUMABLE = (State.INTERRUPTED, State.CANCELLED, State.FAILED)
"""States from which a run may be queued again."""

_ALLOWED_FROM = {  # state -> the states it may follow
    State.QUEUED: RESUMABLE,
    State.RUNNING: (State.QUEUED,),
    State.CANCELLING: (State.RUNNING,),
    State.CANCELLED: (State.QUEUED, State.RUNNING, State.CANCELLING),
    # It may be done before it sees the request to cancel.
    State.DONE: (State.RUNNING, State.CANCELLING),
    State.FAILED: ACTIVE,
    State.INTERRUPTED: ACTIVE,
}


class RunStates(Database):
    """The catalog's methods that change the state of a run."""

    def claim(self, run_id: str, worker: str) -> RunRow | None:
        """Begin a queued run as its only worker; return None if it is no longer queued."""
        with self.write() as session:
            run = locked_run(session, run_id)
            if run.state != State.QUEUED:
                return None
            run.state = State.RUNNING.value
            run.attempt += 1
            run.worker = worker
            run.heartbeat = utc_now()
            run.started_at = run.started_at or run.heartbeat  # a resumed run keeps its first start
            self.audit(session, "running", "run", run_id, attempt=run.attempt)
            return run

    def heartbeat(
        self,
        run_id: str,
        done: int | None = None,
        total: int | None = None,
        stage: str | None = None,
        *,
        attempt: int,
    ) -> str:
        """Record that a run is alive, and its progress; return the state of its row.

        A worker whose attempt is over (declared lost, then resumed elsewhere) gets "interrupted"
        and must stop without writing more.
        """
        values = {"heartbeat": utc_now(), "done": done, "total": total, "stage": stage}
        with self.write() as session:
            # `of`, for PostgreSQL cannot lock the slide, which is outer-joined.
            run = session.get(RunRow, run_id, with_for_update={"of": RunRow})
            if run is None or run.attempt != attempt or not run.is_active:
                return State.INTERRUPTED
            for name, value in values.items():
                if value is not None:
                    setattr(run, name, value)
            return run.state

    def beat_queued(self, worker: str) -> None:
        """Record that the runs that this process has queued are still waiting."""
        with self.write() as session:
            session.execute(
                update(RunRow)
                .where(RunRow.worker == worker, RunRow.state == State.QUEUED.value)
                .values(heartbeat=utc_now())
            )

    def set_state(
        self,
        run_id: str,
        state: State,
        *,
        attempt: int | None = None,
        only_from: Iterable[str] | None = None,
        **values: Any,
    ) -> bool:
        """Change the state of a run if that is allowed; return whether it was changed.

        Parameters
        ----------
        attempt
            A worker's attempt: the state changes only if it is still the current one.
        only_from
            States to start from, if fewer than the allowed ones.
        values
            Further columns to write in the same transaction.
        """
        allowed = _ALLOWED_FROM[state] if only_from is None else tuple(only_from)
        try:
            with self.write() as session:
                run = locked_run(session, run_id)
                if run.state not in allowed or attempt not in (None, run.attempt):
                    return False
                run.state = state.value
                run.heartbeat = utc_now()
                if state == State.QUEUED:
                    run.stage = ""  # an earlier attempt's, perhaps with its time left
                run.finished_at = None if state in ACTIVE else run.heartbeat
                for name, value in values.items():
                    setattr(run, name, value)
                self.audit(session, state.value, "run", run_id, attempt=run.attempt)
                return True
        except IntegrityError as error:  # from the index one_active_run
            raise JobError("The same work is already queued or running: see Runs.") from error

    def finish(
        self, run_id: str, *, attempt: int | None = None, record: Record | None = None
    ) -> bool:
        """Set a run to done, and store its record."""
        stored = as_json(record) if record else {}
        return self.set_state(run_id, State.DONE, attempt=attempt, stored_record=stored, error=None)

    def fail(self, run_id: str, sentence: str, *, attempt: int | None = None) -> bool:
        """Set a run to failed, with the sentence that the user will read."""
        return self.set_state(run_id, State.FAILED, attempt=attempt, error=sentence)

    def recover(
        self, stale_after_s: float = 30.0, is_lost: Callable[[RunRow], bool] | None = None
    ) -> list[str]:
        """Mark active runs without a living process as interrupted; return their ids.

        Parameters
        ----------
        stale_after_s
            A run whose last heartbeat is older than this, in seconds, is lost.
        is_lost
            Returns whether the process of a run is known to have ended, even if its last heartbeat
            is recent.
        """
        oldest = utc_now() - timedelta(seconds=stale_after_s)
        with self.read() as session:
            active = session.scalars(select(RunRow).where(RunRow.state.in_(ACTIVE))).all()
        lost = []
        for run in active:
            stale = run.heartbeat < oldest
            # With `only_from`, a run that has ended since the read above stays as it is.
            if (stale or (is_lost is not None and is_lost(run))) and self.set_state(
                run.id, State.INTERRUPTED, attempt=run.attempt, only_from=[run.state]
            ):
                lost.append(run.id)
        return lost


def locked_run(session: Session, run_id: str) -> RunRow:
    """Return a run's row, locked against other writers until the transaction ends.

    Raises
    ------
    StoreError
        No run has this id.
    """
    run = session.get(RunRow, run_id, with_for_update={"of": RunRow})
    if run is None:
        raise StoreError("This run is not in the catalog; it may have been deleted.")
    return run
