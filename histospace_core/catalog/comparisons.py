"""Comparisons of runs with measured expression, in the catalog."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from histospace_core.catalog.database import Database
from histospace_core.catalog.states import locked_run
from histospace_core.catalog.tables import ComparisonRow
from histospace_core.errors import StoreError


class ComparisonTable(Database):
    """The catalog's methods for comparisons."""

    def add_comparison(
        self, run_id: str, measured_name: str, folder: Path, summary: dict[str, Any]
    ) -> ComparisonRow:
        """Add a finished comparison of a run with measured expression."""
        with self.write() as session:
            locked_run(session, run_id)
            row = ComparisonRow(
                run_id=run_id, measured_name=measured_name, folder=str(folder), summary=summary
            )
            session.add(row)
            session.flush()  # gives the row the id that the audit records
            self.audit(session, "add", "comparison", row.id, run=run_id)
            return row

    def comparisons(self, run_id: str | None = None) -> Sequence[ComparisonRow]:
        """Return comparisons, newest first, of one run or of all."""
        query = select(ComparisonRow).order_by(ComparisonRow.created_at.desc(), ComparisonRow.id)
        if run_id is not None:
            query = query.where(ComparisonRow.run_id == run_id)
        with self.read() as session:
            return session.scalars(query).all()

    def comparison(self, comparison_id: str) -> ComparisonRow:
        """Return one comparison."""
        with self.read() as session:
            row = session.get(ComparisonRow, comparison_id)
        if row is None:
            raise StoreError("This comparison is not in the catalog; it may have been deleted.")
        return row
