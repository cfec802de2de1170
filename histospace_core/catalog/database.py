"""The catalog's database connection: SQLite in WAL mode or PostgreSQL, with typed errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from histospace_core.catalog.tables import AuditRow
from histospace_core.errors import StoreError

_REMEDIES = {  # what SQLite says -> what a user can do
    "locked": "is in use by another program: try again in a moment",
    "readonly": "is read-only: give this account the right to write to the file and its folder",
    "malformed": "is damaged: restore it from a backup, or move it away to begin an empty one",
    "not a database": "is not a catalog: restore it from a backup, or move it away to start anew",
    "full": "cannot be written because the disk is full: free some space and try again",
    "unable to open": "cannot be opened: check that its folder exists and may be written to",
    "disk i/o": "cannot be read or written (disk error or disk full): check the disk",
    "no such table": "has no tables yet: start the app once, or call Catalog.migrate()",
}


class Database:
    """A database engine with sessions for reading and writing, and typed errors.

    Parameters
    ----------
    url
        SQLAlchemy URL, `sqlite:///…` or `postgresql+psycopg://…`.
    actor
        Author of the changes made through this object, for the audit.
    busy_timeout_s
        How long SQLite waits for another writer, in seconds.
    """

    def __init__(self, url: str, actor: str = "local", busy_timeout_s: float = 15.0) -> None:
        try:
            self.url = make_url(url)
        except ArgumentError as error:
            raise StoreError("The database URL cannot be read: check database_url.") from error
        self.actor = actor
        is_sqlite = self.url.get_backend_name() == "sqlite"
        # A URI such as file::memory: names no folder.
        if is_sqlite and self.url.database and not self.url.database.startswith("file:"):
            _make_folder(Path(self.url.database).parent)
        try:
            # A server may drop idle connections.
            self._engine = create_engine(self.url, pool_pre_ping=not is_sqlite)
        except ModuleNotFoundError as error:
            raise StoreError(f"The database needs the package {error.name}: install it.") from error
        if is_sqlite:
            _prepare_sqlite(self._engine, busy_timeout_s)
        # Same pool; `begin` below reads it.
        self._writer = self._engine.execution_options(writes=True)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one consistent state."""
        # Without expire_on_commit, rows can be read after the session has ended.
        with self._typed_errors(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session that commits at the end, or changes nothing on an error."""
        with (
            self._typed_errors(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a writing connection in one transaction, for migrations."""
        with self._typed_errors(), self._writer.begin() as connection:
            yield connection

    def audit(
        self, session: Session, action: str, subject: str, subject_id: str, **detail: Any
    ) -> None:
        """Record a change in the audit, within the transaction of the change."""
        session.add(
            AuditRow(
                actor=self.actor,
                action=action,
                subject=subject,
                subject_id=subject_id,
                detail=detail,
            )
        )

    @contextmanager
    def _typed_errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise  # the caller knows which constraint was violated
        except (DBAPIError, PoolTimeout) as error:
            raise StoreError(f"The catalog {self._name} {self._remedy(error)}.") from error

    @property
    def _name(self) -> str:
        """Name of the catalog for error messages, without folder and password."""
        if self.url.get_backend_name() == "sqlite":
            return Path(self.url.database or ":memory:").name
        return f"{self.url.database} on {self.url.host or 'this machine'}"

    def _remedy(self, error: Exception) -> str:
        message = str(getattr(error, "orig", error)).lower()
        for fragment, remedy in _REMEDIES.items():
            if fragment in message:
                return remedy
        return "cannot be used: check that the database runs and that the settings are correct"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The store's folder {folder.name} cannot be created ({error.strerror}): "
            "choose another with HISTOSPACE_STORE."
        ) from error


def _prepare_sqlite(engine: Engine, busy_timeout_s: float) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = (
            None  # so that `begin` below starts transactions, not the first write
        )
        cursor = connection.cursor()
        # First, for the change to WAL may have to wait for a lock, too.
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_timeout_s * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")  # SQLite ignores foreign keys by default
        cursor.execute("PRAGMA journal_mode = WAL")  # readers need not wait for a writer
        cursor.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a power cut damages nothing
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer waits for the lock at the start: SQLite may refuse it after a first read.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
