"""Drawn regions of runs, in the catalog. Every change is kept, so each can be undone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from histospace_core.catalog.database import Database
from histospace_core.catalog.states import locked_run
from histospace_core.catalog.tables import RegionRow, new_id
from histospace_core.errors import StoreError

_LONGEST_NAME = 80


class NewRegion(NamedTuple):
    """A region to be added: name, colour ``"#rrggbb"``, GeoJSON geometry in level-0 px."""

    name: str
    colour: str
    shape: dict[str, Any]


class Change(NamedTuple):
    """A change of a run's regions: its id, the action, and the names of the regions."""

    id: str
    action: str
    names: tuple[str, ...]


class RegionTable(Database):
    """The catalog's methods for drawn regions.

    A row is a state of a region; the newest state that was not undone is the current one. A change
    names the state that it is based on. If another window has changed the region since, nothing is
    written and an error is raised.
    """

    def regions(self, run_id: str) -> Sequence[RegionRow]:
        """Return the current regions of a run, the oldest first."""
        with self.read() as session:
            return _current_regions(session, run_id)

    def add_regions(
        self, run_id: str, drawn: Sequence[NewRegion], action: str = "draw"
    ) -> Sequence[RegionRow]:
        """Add all regions or none; a number is appended to a name that is taken."""
        with self.write() as session:
            locked_run(session, run_id)
            # The lock above keeps it true until the commit.
            taken = {row.name for row in _current_regions(session, run_id)}
            change, rows = new_id(), []
            for name, colour, shape in drawn:
                free = _free_name(_check_name(name), taken)
                taken.add(free)
                row = RegionRow(
                    region_id=new_id(), run_id=run_id, change=change, action=action,
                    name=free, colour=colour, shape=shape,
                )  # fmt: skip
                session.add(row)
                rows.append(row)
            session.flush()  # the database gives the ids that the audit records
            for row in rows:
                self.audit(session, action, "region", row.region_id, run=run_id, state=row.id)
            return rows

    def change_region(self, expected: RegionRow, action: str, **values: Any) -> RegionRow:
        """Give a region a new state.

        Parameters
        ----------
        expected : RegionRow
            The state that the change is based on.
        action : str
            What is done, in one word: "rename", "redraw", "delete".
        values
            Columns to change: `name`, `colour`, `shape`, `deleted`.

        Raises
        ------
        StoreError
            The region was changed or deleted since then, or the name is taken or empty.
        """
        with self.write() as session:
            locked_run(session, expected.run_id)
            rows = {row.region_id: row for row in _current_regions(session, expected.run_id)}
            now = rows.pop(expected.region_id, None)
            if now is None or now.id != expected.id:
                became = "deleted" if now is None else "changed"
                raise StoreError(
                    f"The region '{expected.name}' was {became} in another window since this page "
                    "showed it, so nothing was written; look at its current state, then decide."
                )
            if "name" in values:
                values["name"] = _check_name(values["name"])
                if values["name"] in {row.name for row in rows.values()}:
                    raise StoreError(
                        f"Another region of this run is called '{values['name']}'; "
                        "choose another name."
                    )
            kept = {"name": now.name, "colour": now.colour, "shape": now.shape, **values}
            row = RegionRow(
                region_id=now.region_id, run_id=now.run_id, change=new_id(), action=action, **kept
            )
            session.add(row)
            session.flush()
            self.audit(session, action, "region", row.region_id, run=row.run_id, state=row.id)
            return row

    def last_change(self, run_id: str) -> Change | None:
        """Return the newest change of a run's regions that was not undone."""
        with self.read() as session:
            return _last_change(session, run_id)[0]

    def undo_change(self, run_id: str, change: str) -> None:
        """Undo the newest change, which must be `change`; an import of many regions is one change.

        Raises
        ------
        StoreError
            Another window has changed the regions since then.
        """
        with self.write() as session:
            locked_run(session, run_id)
            last, rows = _last_change(session, run_id)
            if last is None or last.id != change:
                raise StoreError(
                    "The regions were changed in another window since then, so nothing was undone; "
                    "look at their current state, then decide."
                )
            for row in rows:
                row.undone = True
                self.audit(session, "undo", "region", row.region_id, run=run_id, state=row.id)


def _current_regions(session: Session, run_id: str) -> Sequence[RegionRow]:
    states = (
        # Ids only rise, so the largest is the newest state and the smallest is when it was drawn.
        select(func.max(RegionRow.id).label("now"), func.min(RegionRow.id).label("first"))
        .where(RegionRow.run_id == run_id, ~RegionRow.undone)
        .group_by(RegionRow.region_id)
        .subquery()
    )
    query = select(RegionRow).join(states, RegionRow.id == states.c.now)
    return session.scalars(query.where(~RegionRow.deleted).order_by(states.c.first)).all()


def _last_change(session: Session, run_id: str) -> tuple[Change | None, Sequence[RegionRow]]:
    standing = select(RegionRow).where(RegionRow.run_id == run_id, ~RegionRow.undone)
    newest = session.scalar(standing.order_by(RegionRow.id.desc()).limit(1))
    if newest is None:
        return None, ()
    rows = session.scalars(standing.where(RegionRow.change == newest.change)).all()
    return Change(newest.change, newest.action, tuple(row.name for row in rows)), rows


def _check_name(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= _LONGEST_NAME:
        raise StoreError(f"Give the region a name of 1 to {_LONGEST_NAME} characters.")
    return name


def _free_name(name: str, taken: set[str]) -> str:
    """Return `name`, with a number appended if it is taken."""
    number, free = 2, name
    while free in taken:
        # 6: a space and up to five digits.
        free, number = f"{name[: _LONGEST_NAME - 6]} {number}", number + 1
    return free
