"""A run's parent is a column; its record holds its timings

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

_runs = sa.table(
    'runs',
    sa.column('id', sa.String()),
    sa.column('kind', sa.String()),
    sa.column('settings', sa.JSON()),
    sa.column('record', sa.JSON()),
    sa.column('timings', sa.JSON()),
    sa.column('parent_id', sa.String()),
)


def upgrade() -> None:
    # Plain statements, for a batch would copy the table, and dropping the old one cascades on SQLite.
    op.execute('ALTER TABLE runs ADD COLUMN parent_id VARCHAR CONSTRAINT fk_runs_parent_id REFERENCES runs (id)')
    op.create_index('ix_runs_parent_id', 'runs', ['parent_id'])
    op.execute('ALTER TABLE runs RENAME COLUMN provenance TO record')
    connection = op.get_bind()
    rows = connection.execute(sa.select(_runs)).all()
    known = {row.id for row in rows}
    for row in rows:
        settings, record = dict(row.settings), dict(row.record)
        parent = settings.pop('run', None) if row.kind in ('characterise', 'export') else None
        record.pop('run', None)
        if row.timings:
            record['timings'] = row.timings
        connection.execute(
            _runs.update()
            .where(_runs.c.id == row.id)
            # A parent may have been deleted already, and the foreign key refuses an unknown id.
            .values(settings=settings, record=record, parent_id=parent if parent in known else None)
        )
    op.execute('ALTER TABLE runs DROP COLUMN timings')


def downgrade() -> None:
    raise NotImplementedError('the older program needs the backup that was taken before the update')
