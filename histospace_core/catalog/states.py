"""How a run passes from state to state. Its row is the truth about it; Dask only lends hands."""

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
    State.DONE: (State.RUNNING, State.CANCELLING),
    State.FAILED: ACTIVE,
    State.INTERRUPTED: ACTIVE,
}


class RunStates(Database):
    """The part of the catalog that moves runs from state to state."""

    def claim(self, run_id: str, worker: str) -> RunRow | None:
        """Begin a queued run as its only worker; None when it is no longer to be run."""
        with self.write() as session:
            run = locked_run(session, run_id)
            if run.state != State.QUEUED:
                return None
            run.state = State.RUNNING.value
            run.attempt += 1
            run.worker = worker
            run.heartbeat = utc_now()
            run.started_at = run.started_at or run.heartbeat
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
        """Say that the run lives and how far it is; returns the state that the row has.

        A worker whose attempt is over (declared lost, then resumed elsewhere) is told
        "interrupted" and must stop without writing more.
        """
        values = {"heartbeat": utc_now(), "done": done, "total": total, "stage": stage}
        with self.write() as session:
            run = session.get(RunRow, run_id, with_for_update={"of": RunRow})
            if run is None or run.attempt != attempt or not run.is_active:
                return State.INTERRUPTED
            for name, value in values.items():
                if value is not None:
                    setattr(run, name, value)
            return run.state

    def beat_queued(self, worker: str) -> None:
        """Say that the runs which this process has queued still wait in a live queue."""
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
        """Move a run to a state if it may go there from where it is; says whether it did.

        Parameters
        ----------
        attempt
            Given by a worker: the move is made only within its own attempt.
        only_from
            States to start from, where narrower than what is allowed.
        values
            Further columns to write in the same moment.
        """
        allowed = _ALLOWED_FROM[state] if only_from is None else tuple(only_from)
        try:
            with self.write() as session:
                run = locked_run(session, run_id)
                if run.state not in allowed or attempt not in (None, run.attempt):
                    return False
                run.state = state.value
                run.heartbeat = utc_now()
                run.finished_at = None if state in ACTIVE else run.heartbeat
                for name, value in values.items():
                    setattr(run, name, value)
                self.audit(session, state.value, "run", run_id, attempt=run.attempt)
                return True
        except IntegrityError as error:
            raise JobError("The same work is queued or running already: see Runs.") from error

    def finish(
        self, run_id: str, *, attempt: int | None = None, record: Record | None = None
    ) -> bool:
        """Note that a run is done, and keep its record."""
        stored = as_json(record) if record else {}
        return self.set_state(run_id, State.DONE, attempt=attempt, stored_record=stored, error=None)

    def fail(self, run_id: str, sentence: str, *, attempt: int | None = None) -> bool:
        """Note that a run failed, with the one sentence that its user will read."""
        return self.set_state(run_id, State.FAILED, attempt=attempt, error=sentence)

    def recover(
        self, stale_after_s: float = 30.0, is_lost: Callable[[RunRow], bool] | None = None
    ) -> list[str]:
        """Mark active runs that nobody answers for as interrupted; return their ids.

        Parameters
        ----------
        stale_after_s
            A run whose last heartbeat is older than this, in seconds, is lost.
        is_lost
            Tells of a run with a fresh heartbeat whether its process is known to be gone.
        """
        oldest = utc_now() - timedelta(seconds=stale_after_s)
        with self.read() as session:
            active = session.scalars(select(RunRow).where(RunRow.state.in_(ACTIVE))).all()
        lost = []
        for run in active:
            stale = run.heartbeat < oldest
            if (stale or (is_lost is not None and is_lost(run))) and self.set_state(
                run.id, State.INTERRUPTED, attempt=run.attempt, only_from=[run.state]
            ):
                lost.append(run.id)
        return lost


def locked_run(session: Session, run_id: str) -> RunRow:
    """Return the run's row, kept from other writers until the transaction ends.

    Raises
    ------
    StoreError
        No run has this id.
    """
    run = session.get(RunRow, run_id, with_for_update={"of": RunRow})
    if run is None:
        raise StoreError("This run is not in the catalog; it may have been deleted.")
    return run
