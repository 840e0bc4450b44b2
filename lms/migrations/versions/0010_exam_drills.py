"""exam drills and what they found; tests that ask for Safe Exam Browser

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

APPEND_ONLY = ("exam_drill_result",)


def guard(table: str) -> None:
    """Make a table append-only."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; "
        f"RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse()")
    op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()")


def upgrade() -> None:
    op.create_table('exam_drill',
        sa.Column('test_id', sa.Integer(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('client_uuid', sa.String(length=64), nullable=False),
        sa.Column('users', sa.Integer(), nullable=False),
        sa.Column('questions', sa.Integer(), nullable=False),
        sa.Column('minutes', sa.Integer(), nullable=False),
        sa.Column('drop_percent', sa.Integer(), nullable=False),
        sa.Column('kills', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('step', sa.Integer(), nullable=False),
        sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.Column('lease_owner', sa.String(length=80), nullable=True),
        sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('lease_token', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('failure', sa.String(length=400), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'done', 'failed')", name=op.f('ck_exam_drill_state')),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_exam_drill_test_id_test')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_exam_drill')),
        sa.UniqueConstraint('account_id', 'client_uuid', name=op.f('uq_exam_drill_account_id_client_uuid')),
        sa.UniqueConstraint('public_id', name=op.f('uq_exam_drill_public_id')),
    )
    op.create_index(op.f('ix_exam_drill_test_id'), 'exam_drill', ['test_id'])
    op.create_table('exam_drill_result',
        sa.Column('drill_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('figures', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['drill_id'], ['exam_drill.id'], name=op.f('fk_exam_drill_result_drill_id_exam_drill')),
        sa.PrimaryKeyConstraint('drill_id', name=op.f('pk_exam_drill_result')),
    )
    for table in APPEND_ONLY:
        guard(table)
    op.add_column('test', sa.Column('seb', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True))


def unguard(table: str) -> None:
    """Let a table be changed again."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{verb}")
        return
    op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
    op.execute(f"DROP TRIGGER {table}_no_change ON {table}")
    op.execute(f"DROP FUNCTION {table}_refuse()")


def downgrade() -> None:
    op.drop_column('test', 'seb')
    for table in APPEND_ONLY:
        unguard(table)
    for table in ('exam_drill_result', 'exam_drill'):
        op.drop_table(table)
