"""assessments in the workplace: what was asked for, what was signed, what the trainee answered

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
APPEND_ONLY = ("workplace_record", "workplace_response", "workplace_act")
UNLESS = (
    "NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.enrolment_id = OLD.enrolment_id "
    "AND NEW.cohort_id = OLD.cohort_id AND NEW.trainee_person_id = OLD.trainee_person_id "
    "AND NEW.assessor_person_id = OLD.assessor_person_id AND NEW.starter_person_id = OLD.starter_person_id "
    "AND NEW.starter_account_id = OLD.starter_account_id AND NEW.client_uuid = OLD.client_uuid "
    "AND NEW.kind = OLD.kind AND NEW.item_id = OLD.item_id AND NEW.happened_on = OLD.happened_on "
    "AND NEW.setting = OLD.setting AND NEW.age_band = OLD.age_band AND NEW.focus = OLD.focus "
    "AND NEW.asked_at = OLD.asked_at AND ((OLD.state = 'requested' AND NEW.state = 'cancelled') "
    "OR (OLD.state = 'requested' AND NEW.state = 'declined') OR (OLD.state = 'requested' "
    "AND NEW.state = 'lapsed') OR (OLD.state = 'requested' AND NEW.state = 'submitted') "
    "OR (OLD.state = 'responded' AND NEW.state = 'voided') OR (OLD.state = 'submitted' "
    "AND NEW.state = 'responded') OR (OLD.state = 'submitted' AND NEW.state = 'voided') "
    "OR (NEW.state = OLD.state AND OLD.state = 'requested')) AND (NEW.state <> 'submitted' "
    "OR EXISTS (SELECT 1 FROM workplace_record r WHERE r.assessment_id = NEW.id)) "
    "AND (NEW.state <> 'responded' "
    "OR EXISTS (SELECT 1 FROM workplace_response r WHERE r.assessment_id = NEW.id)) "
    "AND (NEW.state <> 'declined' OR EXISTS (SELECT 1 FROM workplace_act a WHERE a.assessment_id = NEW.id "
    "AND a.act = 'decline')) AND (NEW.state <> 'cancelled' "
    "OR EXISTS (SELECT 1 FROM workplace_act a WHERE a.assessment_id = NEW.id AND a.act = 'cancel')) "
    "AND (NEW.state <> 'lapsed' OR EXISTS (SELECT 1 FROM workplace_act a WHERE a.assessment_id = NEW.id "
    "AND a.act = 'lapse')) AND (NEW.state <> 'voided' "
    "OR EXISTS (SELECT 1 FROM workplace_act a WHERE a.assessment_id = NEW.id AND a.act = 'void'))"
)


def guard(table: str, unless: str = "FALSE") -> None:
    """Make a table append-only."""
    if op.get_bind().dialect.name == "sqlite":
        when = "" if unless == "FALSE" else f"WHEN NOT COALESCE(({unless}), 0) "
        for verb, condition in (("update", when), ("delete", "")):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} {condition}"
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF {unless} THEN RETURN NEW; END IF; END IF; "
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
    op.create_table('workplace_assessment',
        sa.Column('enrolment_id', sa.Integer(), nullable=False),
        sa.Column('cohort_id', sa.Integer(), nullable=False),
        sa.Column('trainee_person_id', sa.Integer(), nullable=False),
        sa.Column('assessor_person_id', sa.Integer(), nullable=False),
        sa.Column('starter_person_id', sa.Integer(), nullable=False),
        sa.Column('starter_account_id', sa.Integer(), nullable=False),
        sa.Column('client_uuid', sa.String(length=64), nullable=False),
        sa.Column('kind', sa.String(length=12), nullable=False),
        sa.Column('item_id', sa.Integer(), nullable=False),
        sa.Column('happened_on', sa.Date(), nullable=False),
        sa.Column('setting', sa.String(length=12), nullable=False),
        sa.Column('age_band', sa.String(length=10), nullable=False),
        sa.Column('focus', sa.String(length=200), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('reminded', sa.Integer(), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint("state IN ('requested', 'submitted', 'responded', 'declined', 'cancelled', 'lapsed', 'voided')", name=op.f('ck_workplace_assessment_state')),
        sa.CheckConstraint('assessor_person_id <> trainee_person_id', name=op.f('ck_workplace_assessment_not_own')),
        sa.CheckConstraint('starter_person_id IN (trainee_person_id, assessor_person_id)', name=op.f('ck_workplace_assessment_starter')),
        sa.ForeignKeyConstraint(['assessor_person_id'], ['person.id'], name=op.f('fk_workplace_assessment_assessor_person_id_person')),
        sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_workplace_assessment_cohort_id_cohort')),
        sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_workplace_assessment_enrolment_id_enrolment')),
        sa.ForeignKeyConstraint(['item_id'], ['framework_item.id'], name=op.f('fk_workplace_assessment_item_id_framework_item')),
        sa.ForeignKeyConstraint(['starter_account_id'], ['account.id'], name=op.f('fk_workplace_assessment_starter_account_id_account')),
        sa.ForeignKeyConstraint(['starter_person_id'], ['person.id'], name=op.f('fk_workplace_assessment_starter_person_id_person')),
        sa.ForeignKeyConstraint(['trainee_person_id'], ['person.id'], name=op.f('fk_workplace_assessment_trainee_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_workplace_assessment')),
        sa.UniqueConstraint('public_id', name=op.f('uq_workplace_assessment_public_id')),
        sa.UniqueConstraint('starter_person_id', 'client_uuid', name=op.f('uq_workplace_assessment_starter_person_id_client_uuid'))
    )
    op.create_index(op.f('ix_workplace_assessment_assessor'), 'workplace_assessment', ['assessor_person_id', 'state', 'asked_at'])
    op.create_index(op.f('ix_workplace_assessment_cohort'), 'workplace_assessment', ['cohort_id', 'state'])
    op.create_index(op.f('ix_workplace_assessment_enrolment'), 'workplace_assessment', ['enrolment_id', 'state', 'item_id'])
    op.create_table('workplace_act',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('assessment_id', sa.Integer(), nullable=False),
        sa.Column('act', sa.String(length=10), nullable=False),
        sa.Column('reason', sa.String(length=20), nullable=False),
        sa.Column('words', sa.String(length=500), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=True),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("act IN ('decline', 'cancel', 'lapse', 'void')", name=op.f('ck_workplace_act_act')),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_workplace_act_account_id_account')),
        sa.ForeignKeyConstraint(['assessment_id'], ['workplace_assessment.id'], name=op.f('fk_workplace_act_assessment_id_workplace_assessment')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_workplace_act_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_workplace_act')),
        sa.UniqueConstraint('assessment_id', 'act', name=op.f('uq_workplace_act_assessment_id_act'))
    )
    op.create_table('workplace_record',
        sa.Column('assessment_id', sa.Integer(), nullable=False),
        sa.Column('trainee_person_id', sa.Integer(), nullable=False),
        sa.Column('assessor_person_id', sa.Integer(), nullable=False),
        sa.Column('assessor_account_id', sa.Integer(), nullable=False),
        sa.Column('acted_as', sa.String(length=10), nullable=False),
        sa.Column('level', sa.Integer(), nullable=False),
        sa.Column('payload', JSON, nullable=False),
        sa.Column('payload_sha256', sa.String(length=64), nullable=False),
        sa.Column('statement_sha256', sa.String(length=64), nullable=False),
        sa.Column('method', sa.String(length=10), nullable=False),
        sa.Column('key_id', sa.Integer(), nullable=False),
        sa.Column('signature', sa.String(length=128), nullable=False),
        sa.Column('signed_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint('assessor_person_id <> trainee_person_id', name=op.f('ck_workplace_record_not_own')),
        sa.CheckConstraint('level BETWEEN 1 AND 5', name=op.f('ck_workplace_record_level')),
        sa.ForeignKeyConstraint(['assessment_id'], ['workplace_assessment.id'], name=op.f('fk_workplace_record_assessment_id_workplace_assessment')),
        sa.ForeignKeyConstraint(['assessor_account_id'], ['account.id'], name=op.f('fk_workplace_record_assessor_account_id_account')),
        sa.ForeignKeyConstraint(['assessor_person_id'], ['person.id'], name=op.f('fk_workplace_record_assessor_person_id_person')),
        sa.ForeignKeyConstraint(['key_id'], ['signing_key.id'], name=op.f('fk_workplace_record_key_id_signing_key')),
        sa.ForeignKeyConstraint(['trainee_person_id'], ['person.id'], name=op.f('fk_workplace_record_trainee_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_workplace_record')),
        sa.UniqueConstraint('assessment_id', name=op.f('uq_workplace_record_assessment_id')),
        sa.UniqueConstraint('public_id', name=op.f('uq_workplace_record_public_id'))
    )
    op.create_table('workplace_response',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('assessment_id', sa.Integer(), nullable=False),
        sa.Column('words', sa.String(length=500), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_workplace_response_account_id_account')),
        sa.ForeignKeyConstraint(['assessment_id'], ['workplace_assessment.id'], name=op.f('fk_workplace_response_assessment_id_workplace_assessment')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_workplace_response_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_workplace_response')),
        sa.UniqueConstraint('assessment_id', name=op.f('uq_workplace_response_assessment_id'))
    )
    guard("workplace_assessment", UNLESS)
    for table in APPEND_ONLY:
        guard(table)


def downgrade() -> None:
    for table in ("workplace_assessment", *APPEND_ONLY):
        unguard(table)
    for table in ("workplace_response", "workplace_record", "workplace_act", "workplace_assessment"):
        op.drop_table(table)
