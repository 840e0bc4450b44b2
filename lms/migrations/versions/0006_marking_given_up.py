"""sittings whose marking was given up, and whose result was told

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('sitting', sa.Column('gave_up_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('sitting', sa.Column('told_at', sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE sitting SET told_at = marked_at")  # what is old is news to nobody
    op.create_index('ix_sitting_told', 'sitting', ['told_at', 'marked_at'])


def downgrade() -> None:
    op.drop_index('ix_sitting_told', 'sitting')
    op.drop_column('sitting', 'told_at')
    op.drop_column('sitting', 'gave_up_at')
