"""logbooks: the competence committee (meetings, frozen evidence, votes, decisions, appeals) and the entrustment record

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TABLES = (
    "committee_meeting",
    "committee_member",
    "committee_agenda",
    "committee_evidence",
    "committee_vote",
    "committee_decision",
    "committee_appeal",
    "committee_appeal_answer",
    "entrustment",
    "entrustment_revocation",
)
MEETING = (
    "NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.cohort_id = OLD.cohort_id AND NEW.held_on = "
    "OLD.held_on AND NEW.quorum = OLD.quorum AND NEW.convened_by_id = OLD.convened_by_id AND NEW.client_uuid = "
    "OLD.client_uuid AND NEW.made_at = OLD.made_at AND ((OLD.state = 'in_session' AND NEW.state = 'cancelled') OR "
    "(OLD.state = 'in_session' AND NEW.state = 'ratified') OR (OLD.state = 'scheduled' AND NEW.state = 'cancelled') "
    "OR (OLD.state = 'scheduled' AND NEW.state = 'in_session'))"
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
    op.create_table(
        "committee_meeting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("quorum", sa.Integer(), nullable=False),
        sa.Column("convened_by_id", sa.Integer(), nullable=False),
        sa.Column("client_uuid", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('scheduled', 'in_session', 'ratified', 'cancelled')", name=op.f("ck_committee_meeting_state")),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohort.id"], name=op.f("fk_committee_meeting_cohort_id_cohort")),
        sa.ForeignKeyConstraint(["convened_by_id"], ["person.id"], name=op.f("fk_committee_meeting_convened_by_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_meeting")),
        sa.UniqueConstraint("public_id", name=op.f("uq_committee_meeting_public_id")),
        sa.UniqueConstraint("client_uuid", name=op.f("uq_committee_meeting_client_uuid")),
    )
    op.create_table(
        "committee_member",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("meeting_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(length=10), nullable=False),
        sa.CheckConstraint("part IN ('chair', 'member')", name=op.f("ck_committee_member_part")),
        sa.ForeignKeyConstraint(["meeting_id"], ["committee_meeting.id"], name=op.f("fk_committee_member_meeting_id_committee_meeting")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_committee_member_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_member")),
        sa.UniqueConstraint("meeting_id", "person_id", name=op.f("uq_committee_member_meeting_id_person_id")),
    )
    op.create_table(
        "committee_agenda",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.Column("meeting_id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["committee_meeting.id"], name=op.f("fk_committee_agenda_meeting_id_committee_meeting")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.id"], name=op.f("fk_committee_agenda_enrolment_id_enrolment")),
        sa.ForeignKeyConstraint(["item_id"], ["framework_item.id"], name=op.f("fk_committee_agenda_item_id_framework_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_agenda")),
        sa.UniqueConstraint("meeting_id", "enrolment_id", "item_id", name=op.f("uq_committee_agenda_meeting_id_enrolment_id_item_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_committee_agenda_public_id")),
    )
    op.create_table(
        "committee_evidence",
        sa.Column("agenda_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agenda_id"], ["committee_agenda.id"], name=op.f("fk_committee_evidence_agenda_id_committee_agenda")),
        sa.PrimaryKeyConstraint("agenda_id", name=op.f("pk_committee_evidence")),
    )
    op.create_table(
        "committee_vote",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agenda_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("choice", sa.String(length=10), nullable=False),
        sa.Column("level", sa.Integer(), nullable=True),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("choice IN ('approve', 'defer', 'abstain')", name=op.f("ck_committee_vote_choice")),
        sa.CheckConstraint("(choice = 'approve') = (level IS NOT NULL)", name=op.f("ck_committee_vote_level_given")),
        sa.CheckConstraint("level BETWEEN 1 AND 5", name=op.f("ck_committee_vote_level")),
        sa.ForeignKeyConstraint(["agenda_id"], ["committee_agenda.id"], name=op.f("fk_committee_vote_agenda_id_committee_agenda")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_committee_vote_person_id_person")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_committee_vote_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_vote")),
        sa.UniqueConstraint("agenda_id", "person_id", "number", name=op.f("uq_committee_vote_agenda_id_person_id_number")),
    )
    op.create_table(
        "committee_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.Column("agenda_id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("level", sa.Integer(), nullable=True),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("votes", JSON, nullable=False),
        sa.Column("evidence_sha256", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('approved', 'deferred')", name=op.f("ck_committee_decision_outcome")),
        sa.CheckConstraint("(outcome = 'approved') = (level IS NOT NULL)", name=op.f("ck_committee_decision_level_given")),
        sa.CheckConstraint("outcome = 'approved' OR words <> ''", name=op.f("ck_committee_decision_reason")),
        sa.ForeignKeyConstraint(["agenda_id"], ["committee_agenda.id"], name=op.f("fk_committee_decision_agenda_id_committee_agenda")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.id"], name=op.f("fk_committee_decision_enrolment_id_enrolment")),
        sa.ForeignKeyConstraint(["item_id"], ["framework_item.id"], name=op.f("fk_committee_decision_item_id_framework_item")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_committee_decision_person_id_person")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_committee_decision_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_decision")),
        sa.UniqueConstraint("public_id", name=op.f("uq_committee_decision_public_id")),
        sa.UniqueConstraint("agenda_id", name=op.f("uq_committee_decision_agenda_id")),
    )
    op.create_table(
        "committee_appeal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.Column("decision_id", sa.Integer(), nullable=False),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["committee_decision.id"], name=op.f("fk_committee_appeal_decision_id_committee_decision")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_committee_appeal_person_id_person")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_committee_appeal_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_appeal")),
        sa.UniqueConstraint("public_id", name=op.f("uq_committee_appeal_public_id")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_committee_appeal_decision_id")),
    )
    op.create_table(
        "committee_appeal_answer",
        sa.Column("appeal_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('upheld', 'remitted')", name=op.f("ck_committee_appeal_answer_outcome")),
        sa.ForeignKeyConstraint(["appeal_id"], ["committee_appeal.id"], name=op.f("fk_committee_appeal_answer_appeal_id_committee_appeal")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_committee_appeal_answer_person_id_person")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_committee_appeal_answer_account_id_account")),
        sa.PrimaryKeyConstraint("appeal_id", name=op.f("pk_committee_appeal_answer")),
    )
    op.create_table(
        "entrustment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("item_code", sa.String(length=10), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("decision_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("level BETWEEN 1 AND 5", name=op.f("ck_entrustment_level")),
        sa.CheckConstraint("expires_on IS NULL OR expires_on > from_on", name=op.f("ck_entrustment_dates")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.id"], name=op.f("fk_entrustment_enrolment_id_enrolment")),
        sa.ForeignKeyConstraint(["decision_id"], ["committee_decision.id"], name=op.f("fk_entrustment_decision_id_committee_decision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entrustment")),
        sa.UniqueConstraint("enrolment_id", "item_code", "number", name=op.f("uq_entrustment_enrolment_id_item_code_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_entrustment_public_id")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_entrustment_decision_id")),
    )
    op.create_table(
        "entrustment_revocation",
        sa.Column("entrustment_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["entrustment_id"], ["entrustment.id"], name=op.f("fk_entrustment_revocation_entrustment_id_entrustment")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_entrustment_revocation_person_id_person")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_entrustment_revocation_account_id_account")),
        sa.PrimaryKeyConstraint("entrustment_id", name=op.f("pk_entrustment_revocation")),
    )
    op.create_index("ix_committee_meeting_cohort", "committee_meeting", ["cohort_id", "held_on"])
    op.create_index("ix_committee_decision_enrolment", "committee_decision", ["enrolment_id"])
    for table in TABLES:
        guard(table, MEETING if table == "committee_meeting" else "FALSE")


def downgrade() -> None:
    for table in reversed(TABLES):
        unguard(table)
        op.drop_table(table)
