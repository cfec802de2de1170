"""Alembic environment: runs on the connection that `catalog.migrate` hands over."""

from alembic import context

from histospace_core.catalog.tables import Base, UtcDateTime


def _render(kind, item, _autogenerate):
    """Write our own column type as what it is in SQL: a migration must outlive our classes."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes columns by copying the table
    transactional_ddl=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
