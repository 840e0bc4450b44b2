"""numbers of tests

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('test_statistics',
        sa.Column('test_id', sa.Integer(), nullable=False),
        sa.Column('grade_run_id', sa.Integer(), nullable=False),
        sa.Column('last_grade_id', sa.Integer(), nullable=False),
        sa.Column('engine_version', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('computed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('n', sa.Integer(), nullable=False),
        sa.Column('left_out', sa.Integer(), nullable=False),
        sa.Column('data_sha256', sa.String(length=64), nullable=False),
        sa.Column('report', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.Column('lease_owner', sa.String(length=80), nullable=True),
        sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('lease_token', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('failure', sa.String(length=400), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'done', 'failed')", name=op.f('ck_test_statistics_state')),
        sa.ForeignKeyConstraint(['grade_run_id'], ['grade_run.id'], name=op.f('fk_test_statistics_grade_run_id_grade_run')),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_test_statistics_test_id_test')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_test_statistics')),
        sa.UniqueConstraint('public_id', name=op.f('uq_test_statistics_public_id')),
        sa.UniqueConstraint('test_id', 'grade_run_id', 'last_grade_id', 'engine_version', name=op.f('uq_test_statistics_data')),
    )


def downgrade() -> None:
    op.drop_table('test_statistics')
