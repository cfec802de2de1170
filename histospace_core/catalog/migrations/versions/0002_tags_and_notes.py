"""Tags and notes

Revision ID: 0002_tags
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op


revision = '0002_tags'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('slides', schema=None) as batch_op:
        batch_op.add_column(sa.Column('tags', sa.String(), nullable=False, server_default=''))
        # Existing rows need a value, for the columns are not nullable.
        batch_op.add_column(sa.Column('note', sa.String(), nullable=False, server_default=''))
    with op.batch_alter_table('runs', schema=None) as batch_op:
        batch_op.add_column(sa.Column('tags', sa.String(), nullable=False, server_default=''))


def downgrade() -> None:
    with op.batch_alter_table('runs', schema=None) as batch_op:
        batch_op.drop_column('tags')
    with op.batch_alter_table('slides', schema=None) as batch_op:
        batch_op.drop_column('note')
        batch_op.drop_column('tags')
