"""papers: how they are drawn, drafts, purpose and last start of a test; pass marks and their judges

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

NEW_APPEND_ONLY = ("cut_score", "angoff_rating")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


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


def upgrade() -> None:
    # Written out, since SQLite adds a constraint to a table only together with its column; both databases understand it.
    op.execute(
        "ALTER TABLE test ADD COLUMN purpose VARCHAR(10) DEFAULT 'exam' NOT NULL "
        "CONSTRAINT ck_test_purpose CHECK (purpose IN ('exam', 'practice'))"
    )
    op.add_column('test', sa.Column('starts_until', sa.DateTime(timezone=True), nullable=True))
    op.add_column('exam_form', sa.Column('drawn', JSON, nullable=True))

    op.create_table('test_plan',
        sa.Column('test_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('bank_id', sa.Integer(), nullable=False),
        sa.Column('forms_wanted', sa.Integer(), nullable=False),
        sa.Column('max_shared', sa.Integer(), nullable=True),
        sa.Column('max_exposure_percent', sa.Integer(), nullable=True),
        sa.Column('keeps_order', sa.Boolean(), nullable=False),
        sa.Column('blueprint', JSON, nullable=False),
        sa.Column('client_uuid', sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(['bank_id'], ['item_bank.id'], name=op.f('fk_test_plan_bank_id_item_bank')),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_test_plan_test_id_test')),
        sa.PrimaryKeyConstraint('test_id', name=op.f('pk_test_plan')),
        sa.UniqueConstraint('client_uuid', name=op.f('uq_test_plan_client_uuid')),
    )

    op.create_table('draft_form',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('test_id', sa.Integer(), nullable=False),
        sa.Column('n', sa.Integer(), nullable=False),
        sa.Column('picks', JSON, nullable=False),
        sa.Column('seed', sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_draft_form_test_id_test')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_draft_form')),
        sa.UniqueConstraint('test_id', 'n', name=op.f('uq_draft_form_test_id_n')),
    )

    op.create_table('cut_score',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('test_id', sa.Integer(), nullable=False),
        sa.Column('n', sa.Integer(), nullable=False),
        sa.Column('method', sa.String(length=10), nullable=False),
        sa.Column('percent', sa.Integer(), nullable=False),
        sa.Column('reason', sa.String(length=1000), nullable=False),
        sa.Column('evidence', JSON, nullable=True),
        sa.Column('approval_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("method IN ('fixed', 'angoff')", name=op.f('ck_cut_score_method')),
        sa.CheckConstraint('percent BETWEEN 1 AND 100', name=op.f('ck_cut_score_percent')),
        sa.ForeignKeyConstraint(['approval_id'], ['approval.id'], name=op.f('fk_cut_score_approval_id_approval')),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_cut_score_test_id_test')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_cut_score')),
        sa.UniqueConstraint('test_id', 'n', name=op.f('uq_cut_score_test_id_n')),
    )

    op.create_table('angoff_study',
        sa.Column('test_id', sa.Integer(), nullable=False),
        sa.Column('form_id', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint("state IN ('round_1', 'round_2', 'closed')", name=op.f('ck_angoff_study_state')),
        sa.ForeignKeyConstraint(['form_id'], ['exam_form.id'], name=op.f('fk_angoff_study_form_id_exam_form')),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_angoff_study_test_id_test')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_angoff_study')),
        sa.UniqueConstraint('public_id', name=op.f('uq_angoff_study_public_id')),
    )
    op.create_index(op.f('ix_angoff_study_test_id'), 'angoff_study', ['test_id'])
    op.create_index('uq_angoff_study_open', 'angoff_study', ['test_id'], unique=True,
        sqlite_where=sa.text("state <> 'closed'"), postgresql_where=sa.text("state <> 'closed'"))

    op.create_table('angoff_judge',
        sa.Column('study_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('invited_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_angoff_judge_person_id_person')),
        sa.ForeignKeyConstraint(['study_id'], ['angoff_study.id'], name=op.f('fk_angoff_judge_study_id_angoff_study')),
        sa.PrimaryKeyConstraint('study_id', 'person_id', name=op.f('pk_angoff_judge')),
    )
    op.create_index(op.f('ix_angoff_judge_person_id'), 'angoff_judge', ['person_id'])

    op.create_table('angoff_rating',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('study_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('round', sa.Integer(), nullable=False),
        sa.Column('slot', sa.Integer(), nullable=False),
        sa.Column('percent', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('percent BETWEEN 0 AND 100', name=op.f('ck_angoff_rating_percent')),
        sa.CheckConstraint('round IN (1, 2)', name=op.f('ck_angoff_rating_round')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_angoff_rating_person_id_person')),
        sa.ForeignKeyConstraint(['study_id'], ['angoff_study.id'], name=op.f('fk_angoff_rating_study_id_angoff_study')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_angoff_rating')),
    )
    op.create_index('ix_angoff_rating_study', 'angoff_rating', ['study_id', 'person_id', 'round'])

    for table in NEW_APPEND_ONLY:
        guard(table)


def downgrade() -> None:
    for table in NEW_APPEND_ONLY:
        unguard(table)
    for table in ('angoff_rating', 'angoff_judge', 'angoff_study', 'cut_score'):
        op.drop_table(table)
    op.drop_table('draft_form')
    op.drop_table('test_plan')
    op.drop_column('exam_form', 'drawn')
    op.drop_column('test', 'starts_until')
    op.drop_column('test', 'purpose')
