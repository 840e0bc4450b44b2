"""results: receipts of what was handed in, days between attempts, lectures that teach a question, appeals

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

FROZEN = ("id", "public_id", "sitting_id", "slot", "question_version_id", "trainee_person_id", "client_uuid", "made_at")
APPEND_ONLY = {
    "sitting_receipt": "",
    "appeal": "OLD.state = 'open' AND NEW.state <> 'open' AND "
    + " AND ".join(f"NEW.{column} = OLD.{column}" for column in FROZEN),
    "appeal_step": "",
}
"""Table → the update that is let through."""


def guard(table: str, unless: str) -> None:
    """Make a table append-only."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            when = f"WHEN NOT COALESCE(({unless}), 0) " if unless and verb == "update" else ""
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} {when}"
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF {unless or 'FALSE'} THEN RETURN NEW; END IF; END IF; "
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
    op.execute(
        "ALTER TABLE test ADD COLUMN appeal_days INTEGER DEFAULT '7' NOT NULL "
        "CONSTRAINT ck_test_appeal CHECK (appeal_days BETWEEN 0 AND 60)"
    )
    op.create_table('appeal',
        sa.Column('sitting_id', sa.Integer(), nullable=False),
        sa.Column('slot', sa.Integer(), nullable=False),
        sa.Column('question_version_id', sa.Integer(), nullable=False),
        sa.Column('trainee_person_id', sa.Integer(), nullable=False),
        sa.Column('client_uuid', sa.String(length=64), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint("state IN ('open', 'upheld', 'partly', 'refused', 'withdrawn')", name=op.f('ck_appeal_state')),
        sa.ForeignKeyConstraint(['question_version_id'], ['question_version.id'], name=op.f('fk_appeal_question_version_id_question_version')),
        sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_appeal_sitting_id_sitting')),
        sa.ForeignKeyConstraint(['trainee_person_id'], ['person.id'], name=op.f('fk_appeal_trainee_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_appeal')),
        sa.UniqueConstraint('public_id', name=op.f('uq_appeal_public_id')),
        sa.UniqueConstraint('trainee_person_id', 'client_uuid', name=op.f('uq_appeal_trainee_person_id_client_uuid')),
    )
    op.create_index('uq_appeal_open', 'appeal', ['trainee_person_id', 'question_version_id'], unique=True,
        sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
    op.create_index('ix_appeal_sitting', 'appeal', ['sitting_id'])
    op.create_index('ix_appeal_state', 'appeal', ['state', 'id'])
    op.create_table('appeal_step',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('appeal_id', sa.Integer(), nullable=False),
        sa.Column('act', sa.String(length=10), nullable=False),
        sa.Column('words', sa.String(length=2000), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("act IN ('raise', 'uphold', 'partly', 'refuse', 'withdraw')", name=op.f('ck_appeal_step_act')),
        sa.ForeignKeyConstraint(['appeal_id'], ['appeal.id'], name=op.f('fk_appeal_step_appeal_id_appeal')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_appeal_step_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_appeal_step')),
    )
    op.create_index(op.f('ix_appeal_step_appeal_id'), 'appeal_step', ['appeal_id'])
    for table, unless in APPEND_ONLY.items():
        guard(table, unless)


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
    op.drop_table('appeal_step')
    op.drop_table('appeal')
    op.execute("ALTER TABLE test DROP COLUMN appeal_days")
    op.execute("ALTER TABLE question DROP COLUMN lecture_second")
    op.execute("ALTER TABLE question DROP COLUMN lecture_code")
    op.execute("ALTER TABLE test DROP COLUMN cooldown_days")
    op.drop_table('sitting_receipt')
