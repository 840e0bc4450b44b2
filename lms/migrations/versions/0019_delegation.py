"""delegation: a deputy's days given by a mentor, and why a pairing ended

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('pairing') as batch:
        batch.add_column(sa.Column('given_by_id', sa.Integer(), nullable=True))
        batch.add_column(sa.Column('reason', sa.String(length=200), nullable=False, server_default=''))
        batch.create_foreign_key(op.f('fk_pairing_given_by_id_pairing'), 'pairing', ['given_by_id'], ['id'])
        batch.create_index(op.f('ix_pairing_given_by_id'), ['given_by_id'])
    with op.batch_alter_table('pairing') as batch:
        batch.alter_column('reason', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('pairing') as batch:
        batch.drop_index(op.f('ix_pairing_given_by_id'))
        batch.drop_constraint(op.f('fk_pairing_given_by_id_pairing'), type_='foreignkey')
        batch.drop_column('reason')
        batch.drop_column('given_by_id')
