"""The catalog of an installation: its slides, models, runs, comparisons and regions."""

from collections.abc import Sequence

from sqlalchemy import select

from histospace_core.catalog.comparisons import ComparisonTable
from histospace_core.catalog.migrate import migrate
from histospace_core.catalog.models import ModelTable
from histospace_core.catalog.regions import RegionTable
from histospace_core.catalog.runs import RunTable
from histospace_core.catalog.slides import SlideTable
from histospace_core.catalog.tables import AuditRow


class Catalog(SlideTable, ModelTable, RunTable, ComparisonTable, RegionTable):
    """Slides, models, runs, comparisons and regions in SQL; every change is audited.

    Each method opens and closes its own transaction, so one object serves many threads; each
    process needs its own. Rows are returned detached. Any method raises `StoreError` if the
    database is locked, read-only or damaged, or the disk is full.

    Parameters
    ----------
    url
        SQLAlchemy URL, as `Settings.catalog_url`. SQLite runs in WAL mode with foreign keys.
    actor
        Author of the changes made through this object, for the audit.

    Examples
    --------
    >>> catalog = Catalog("sqlite:///store/catalog.db")  # doctest: +SKIP
    >>> catalog.migrate()  # doctest: +SKIP
    """

    def migrate(self, revision: str = "head") -> None:
        """Create or upgrade the tables, unless they are up to date."""
        migrate(self, revision)

    def audit_trail(self, subject_id: str | None = None, limit: int = 1000) -> Sequence[AuditRow]:
        """Return the changes, newest first, of one row or of all."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if subject_id is not None:
            query = query.where(AuditRow.subject_id == subject_id)
        with self.read() as session:
            return session.scalars(query).all()
