"""core: the signer is seen apart from the workers, and says why it cannot sign

Revision ID: 0034
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = '0034'
down_revision = '0031'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('worker_seen') as batch:
        batch.add_column(sa.Column('kind', sa.String(length=10), nullable=False, server_default='worker'))
        batch.add_column(sa.Column('trouble', sa.String(length=400), nullable=True))
    with op.batch_alter_table('worker_seen') as batch:
        batch.alter_column('kind', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('worker_seen') as batch:
        batch.drop_column('trouble')
        batch.drop_column('kind')
