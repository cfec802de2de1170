"""Upgrade a database to the current tables with the migrations in the package."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text

from histospace_core.catalog.database import Database
from histospace_core.errors import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade the database, in one transaction; concurrent callers wait for each other.

    Raises
    ------
    StoreError
        The catalog was written by a newer version, or cannot be opened.
    """
    config = Config()
    # Alembic's config gives % a meaning of its own.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with database.connect() as connection:
        if connection.dialect.name == "postgresql":
            # SQLite began with its write lock; any number will do, as long as it stays.
            connection.execute(text("SELECT pg_advisory_xact_lock(20260101)"))
        # Another process may have migrated while this one waited.
        if _current(connection) == ScriptDirectory.from_config(config).get_current_head():
            return
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:  # the database names a revision that this version lacks
            raise StoreError(
                "The catalog was written by a newer version of HistoSPACE: update the program, "
                "or point HISTOSPACE_STORE at another folder."
            ) from error


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
