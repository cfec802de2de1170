"""Migrations: they make the tables of the models, from nothing and from any older state."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from histospace_core.catalog import Catalog
from histospace_core.catalog.migrate import MIGRATIONS
from histospace_core.catalog.tables import Base
from histospace_core.errors import StoreError

_config = Config()
_config.set_main_option("script_location", str(MIGRATIONS))
_config.set_main_option("path_separator", "os")
REVISIONS = [s.revision for s in ScriptDirectory.from_config(_config).walk_revisions()][::-1]


def test_models_and_migrations_agree(catalog: Catalog) -> None:
    with catalog.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_older_catalog_is_upgraded(url: str, revision: str) -> None:
    catalog = Catalog(url)
    catalog.migrate(revision)
    with catalog.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == revision
    catalog.migrate()
    catalog.migrate()  # again changes nothing
    with catalog.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == REVISIONS[-1]
    catalog.close()


def test_two_first_starts_at_once(url: str) -> None:
    catalogs = [Catalog(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda catalog: catalog.migrate(), catalogs))
    assert list(catalogs[0].slides()) == []
    for catalog in catalogs:
        catalog.close()


def test_a_catalog_of_a_newer_version_is_left_alone(url: str) -> None:
    catalog = Catalog(url)
    catalog.migrate()
    with catalog.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer version of HistoSPACE: update the program"):
        catalog.migrate()
    catalog.close()


def test_migrations_name_none_of_our_classes() -> None:
    for file in (Path(MIGRATIONS) / "versions").glob("0*.py"):
        assert "histospace_core" not in file.read_text()
