"""courses: visits whose parts may be forgotten are found without reading all of them

Revision ID: 0037
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = '0037'
down_revision = '0035'
branch_labels = None
depends_on = None

WITH_PARTS = 'known_bins IS NOT NULL OR again_bins IS NOT NULL'


def upgrade() -> None:
    op.create_index(
        op.f('ix_watch_session_with_parts'),
        'watch_session',
        ['opened_at'],
        sqlite_where=sa.text(WITH_PARTS),
        postgresql_where=sa.text(WITH_PARTS),
    )


def downgrade() -> None:
    op.drop_index(op.f('ix_watch_session_with_parts'), table_name='watch_session')
