"""Which image of a slide's file is read, and which measurement of its attached file

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('slides', sa.Column('series', sa.String(), nullable=True))
    op.add_column('slides', sa.Column('measured_choice', sa.JSON(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError('the older program needs the backup that was taken before the update')
