"""results: receipts of what was handed in, days between attempts, lectures that teach a question

Revision ID: 0009
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0007'
branch_labels = None
depends_on = None

APPEND_ONLY = ("sitting_receipt",)


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
    op.create_table('sitting_receipt',
        sa.Column('sitting_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('document', sa.Text(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_sitting_receipt_sitting_id_sitting')),
        sa.PrimaryKeyConstraint('sitting_id', name=op.f('pk_sitting_receipt')),
    )
    # In plain SQL: Alembic would add the constraint by itself, which SQLite cannot.
    op.execute(
        "ALTER TABLE test ADD COLUMN cooldown_days INTEGER DEFAULT '0' NOT NULL "
        "CONSTRAINT ck_test_cooldown CHECK (cooldown_days BETWEEN 0 AND 365)"
    )
    op.execute("ALTER TABLE question ADD COLUMN lecture_code VARCHAR(60) DEFAULT '' NOT NULL")
    op.execute(
        "ALTER TABLE question ADD COLUMN lecture_second INTEGER DEFAULT '0' NOT NULL "
        "CONSTRAINT ck_question_lecture_second CHECK (lecture_second >= 0)"
    )
    for table in APPEND_ONLY:
        guard(table)


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
    for table in APPEND_ONLY:
        unguard(table)
    op.execute("ALTER TABLE question DROP COLUMN lecture_second")
    op.execute("ALTER TABLE question DROP COLUMN lecture_code")
    op.execute("ALTER TABLE test DROP COLUMN cooldown_days")
    op.drop_table('sitting_receipt')
