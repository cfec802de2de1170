"""Drawn regions

Revision ID: 0003
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002_tags'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('regions',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('region_id', sa.String(), nullable=False),
    sa.Column('run_id', sa.String(), nullable=False),
    sa.Column('change', sa.String(), nullable=False),
    sa.Column('action', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('colour', sa.String(), nullable=False),
    sa.Column('shape', sa.JSON(), nullable=False),
    sa.Column('deleted', sa.Boolean(), nullable=False),
    sa.Column('undone', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['runs.id'], name=op.f('fk_regions_run_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_regions')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('regions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_regions_region_id'), ['region_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_regions_run_id'), ['run_id'], unique=False)


def downgrade() -> None:
    op.drop_table('regions')
