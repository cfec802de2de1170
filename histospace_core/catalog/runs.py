"""Runs in the catalog: add, find, describe and delete them."""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from histospace_core.catalog.kinds import ACTIVE, Kind
from histospace_core.catalog.slides import remove_own_folder
from histospace_core.catalog.states import RunStates, locked_run
from histospace_core.catalog.tables import RunRow, SlideRow, new_id
from histospace_core.catalog.tags import LONGEST_NOTE, has_tags, has_text, text_of, tidy_tags
from histospace_core.errors import JobError, StoreError


class RunTable(RunStates):
    """The catalog's methods for runs."""

    def add_run(
        self,
        slide_id: str | None,
        model_name: str,
        settings: dict[str, Any],
        *,
        runs_dir: Path,
        kind: Kind = Kind.PREDICT,
        parent_id: str | None = None,
        model_sha256: str | None = None,
        worker: str = "",
        note: str = "",
    ) -> RunRow:
        """Queue a run; if a run with the same settings is queued or running, return that one.

        Parameters
        ----------
        settings
            JSON-serialisable arguments of the prediction, training or other work.
        runs_dir
            The run's folder will be `runs_dir/<run id>`.
        parent_id
            The prediction from which a characterisation or export is made.
        worker
            The process that is responsible for the run, from `process.identity`.
        """
        run = RunRow(
            id=new_id(),
            kind=kind.value,
            slide_id=slide_id,
            parent_id=parent_id,
            model_name=model_name,
            model_sha256=model_sha256,
            settings=settings,
            fingerprint=_fingerprint(kind, slide_id, parent_id, model_name, model_sha256, settings),
            worker=worker,
            note=note,
        )
        run.folder = str(runs_dir / run.id)
        same = select(RunRow.id).where(
            RunRow.fingerprint == run.fingerprint, RunRow.state.in_(ACTIVE)
        )
        try:
            with self.write() as session:
                if slide_id is not None and session.get(SlideRow, slide_id) is None:
                    raise StoreError("This slide is not in the catalog; it may have been deleted.")
                run_id = session.scalar(same)
                if run_id is None:
                    session.add(run)
                    self.audit(session, "add", "run", run.id, kind=kind.value, model=model_name)
                    run_id = run.id
        except IntegrityError:  # another process was faster
            with self.read() as session:
                run_id = session.scalars(same).one()
        return self.run(run_id)

    def run(self, run_id: str) -> RunRow:
        """Return one run with its slide.

        Raises
        ------
        StoreError
            No run has this id.
        """
        with self.read() as session:
            return locked_run(session, run_id)

    def runs(
        self,
        *,
        states: Collection[str] = (),
        kinds: Collection[str] = (),
        slide_id: str | None = None,
        parent_id: str | None = None,
        model_name: str | None = None,
        tags: Collection[str] = (),
        text: str = "",
        limit: int = 1000,
    ) -> Sequence[RunRow]:
        """Return runs, newest first; `text` is searched in slide, model, tags, note and error."""
        # Trainings have no slide.
        query = select(RunRow).outerjoin(SlideRow, RunRow.slide_id == SlideRow.id)
        if states:
            query = query.where(RunRow.state.in_(states))
        if kinds:
            query = query.where(RunRow.kind.in_(kinds))
        if slide_id is not None:
            query = query.where(RunRow.slide_id == slide_id)
        if parent_id is not None:
            query = query.where(RunRow.parent_id == parent_id)
        if model_name is not None:
            query = query.where(RunRow.model_name == model_name)
        if text:
            columns = (SlideRow.name, RunRow.model_name, RunRow.note, RunRow.error)
            query = query.where(has_text(text, *columns, text_of(RunRow.tags)))
        if tags:
            query = query.where(has_tags(RunRow.tags, tags))
        query = query.order_by(RunRow.created_at.desc(), RunRow.id).limit(limit)
        with self.read() as session:
            return session.scalars(query).all()

    def runs_by_id(self, run_ids: Sequence[str]) -> Sequence[RunRow]:
        """Return the runs with these ids that still exist, in the same order."""
        with self.read() as session:
            found = session.scalars(select(RunRow).where(RunRow.id.in_(run_ids))).all()
        place = {run_id: i for i, run_id in enumerate(run_ids)}
        return sorted(found, key=lambda run: place[run.id])

    def describe_run(
        self, run_id: str, *, tags: Iterable[str] = (), note: str | None = None
    ) -> RunRow:
        """Set a run's tags, and its note unless that is None."""
        with self.write() as session:
            run = locked_run(session, run_id)
            run.tags = tidy_tags(tags)
            run.note = run.note if note is None else note.strip()[:LONGEST_NOTE]
            self.audit(session, "describe", "run", run_id)
            return run

    def delete_run(self, run_id: str) -> None:
        """Delete a run with its comparisons, characterisations, exports and folders.

        Raises
        ------
        JobError
            The run, or a run that was made from it, is queued or running.
        """
        with self.write() as session:
            run = locked_run(session, run_id)
            children = session.scalars(select(RunRow).where(RunRow.parent_id == run_id)).all()
            if any(row.is_active for row in (run, *children)):
                raise JobError("This run is still under way: cancel it before deleting it.")
            for row in children:
                self.audit(session, "delete", "run", row.id, within=run_id)
                session.delete(row)
            session.flush()  # the foreign key forbids deleting a parent before its children
            self.audit(session, "delete", "run", run_id, model=run.model_name)
            session.delete(run)
        # After the commit: a transaction that fails must not leave rows without their files.
        for row in (run, *children):
            remove_own_folder(row.directory, row.id)


def _fingerprint(kind: Kind, *parts: Any) -> str:
    text = json.dumps([kind.value, *parts], sort_keys=True)  # the order of settings must not matter
    return hashlib.sha256(text.encode()).hexdigest()
