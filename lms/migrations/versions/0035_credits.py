"""certificates: plans and ledger of credits and hours; a credit certificate needs no rule

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op

revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None

APPEND_ONLY = ('credit_plan', 'credit_entry')
RULED, FREE = 'rule_id INTEGER NOT NULL', 'rule_id INTEGER'


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


def unguard(table: str) -> None:
    """Let a table be changed again."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{verb}")
        return
    op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
    op.execute(f"DROP TRIGGER {table}_no_change ON {table}")
    op.execute(f"DROP FUNCTION {table}_refuse()")


def rule_needed(before: str, after: str, *, nullable: bool) -> None:
    """Let a certificate do without a rule, or not.

    SQLite would make the table anew, which rows that refer to it forbid; NOT NULL does not touch what is stored, so its
    words are changed where they stand (https://www.sqlite.org/lang_altertable.html, section 7).
    """
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        op.alter_column('certificate', 'rule_id', nullable=nullable)
        return
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema=ON")
    bind.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'certificate'",
        (before, after),
    )
    bind.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema=RESET")


def upgrade() -> None:
    rule_needed(RULED, FREE, nullable=True)
    op.create_table('credit_plan',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('cohort_id', sa.Integer(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('jurisdiction', sa.String(length=10), nullable=False),
        sa.Column('project_number', sa.String(length=60), nullable=False),
        sa.Column('level', sa.String(length=12), nullable=False),
        sa.Column('project_cap', sa.Integer(), nullable=True),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("jurisdiction IN ('CN', 'EACCME', 'AMA')", name=op.f('ck_credit_plan_jurisdiction')),
        sa.CheckConstraint("level IN ('national', 'provincial')", name=op.f('ck_credit_plan_level')),
        sa.CheckConstraint("project_cap IS NULL OR project_cap > 0", name=op.f('ck_credit_plan_cap')),
        sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_credit_plan_cohort_id_cohort')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_credit_plan')),
        sa.UniqueConstraint('cohort_id', 'number', name=op.f('uq_credit_plan_cohort_id_number')),
    )
    op.create_table('credit_entry',
        sa.Column('enrolment_id', sa.Integer(), nullable=False),
        sa.Column('activity', sa.String(length=80), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=12), nullable=False),
        sa.Column('role', sa.String(length=10), nullable=False),
        sa.Column('title_zh', sa.String(length=200), nullable=False),
        sa.Column('title_en', sa.String(length=200), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('seconds', sa.Integer(), nullable=False),
        sa.Column('table_code', sa.String(length=20), nullable=False),
        sa.Column('category', sa.String(length=12), nullable=False),
        sa.Column('credits', sa.String(length=40), nullable=False),
        sa.Column('hours', sa.String(length=40), nullable=False),
        sa.Column('counters_id', sa.Integer(), nullable=True),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('reason', sa.String(length=300), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint("kind IN ('lecture', 'placement', 'session')", name=op.f('ck_credit_entry_kind')),
        sa.CheckConstraint("role IN ('learner', 'speaker')", name=op.f('ck_credit_entry_role')),
        sa.CheckConstraint("(number % 2 = 0) = (counters_id IS NOT NULL)", name=op.f('ck_credit_entry_counter')),
        sa.CheckConstraint("(number % 2 = 1 AND seconds > 0) OR (number % 2 = 0 AND seconds < 0)", name=op.f('ck_credit_entry_sign')),
        sa.ForeignKeyConstraint(['counters_id'], ['credit_entry.id'], name=op.f('fk_credit_entry_counters_id_credit_entry')),
        sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_credit_entry_enrolment_id_enrolment')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_credit_entry')),
        sa.UniqueConstraint('counters_id', name=op.f('uq_credit_entry_counters_id')),
        sa.UniqueConstraint('enrolment_id', 'activity', 'number', name=op.f('uq_credit_entry_enrolment_id_activity_number')),
        sa.UniqueConstraint('public_id', name=op.f('uq_credit_entry_public_id')),
    )
    for table in APPEND_ONLY:
        guard(table)


def downgrade() -> None:
    """Credit certificates cannot be kept where every certificate needs a rule; with one in the register there is no way back."""
    found = op.get_bind().exec_driver_sql("SELECT count(*) FROM certificate WHERE rule_id IS NULL").scalar_one()
    if found:
        raise RuntimeError("the register holds certificates of credits")
    for table in reversed(APPEND_ONLY):
        unguard(table)
        op.drop_table(table)
    rule_needed(FREE, RULED, nullable=False)
