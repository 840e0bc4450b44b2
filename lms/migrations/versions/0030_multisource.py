"""logbooks: multisource feedback, the monthly audit sample, badges with codes of their own

Revision ID: 0030
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0030'
down_revision = '0028'
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TABLES = (
    "feedback_round",
    "feedback_rater",
    "feedback_box",
    "feedback_self",
    "feedback_result",
    "feedback_release",
    "audit_sample",
    "audit_sample_line",
    "audit_sample_check",
    "entrustment_badge",
)
UNGUARDED = {"feedback_rater", "feedback_box"}
"""What is deleted when a round ends."""
ROUND = (
    "NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.enrolment_id = OLD.enrolment_id AND "
    "NEW.cohort_id = OLD.cohort_id AND NEW.trainee_person_id = OLD.trainee_person_id AND NEW.starter_person_id"
    " = OLD.starter_person_id AND NEW.starter_account_id = OLD.starter_account_id AND NEW.begun_on = "
    "OLD.begun_on AND (OLD.state = 'open' OR (OLD.state = 'proposed' AND NEW.state IN ('proposed', 'open', "
    "'cancelled'))) AND (NEW.state <> 'proposed' OR OLD.state = 'proposed') AND (NEW.state IN ('proposed', "
    "'open') OR NEW.ended_on IS NOT NULL) AND (NEW.state <> 'closed' OR EXISTS (SELECT 1 FROM feedback_result "
    "r WHERE r.round_id = NEW.id)) AND (NEW.state IN ('proposed', 'open') OR (NOT EXISTS (SELECT 1 FROM "
    "feedback_rater g WHERE g.round_id = NEW.id) AND NOT EXISTS (SELECT 1 FROM feedback_box g WHERE g.round_id"
    " = NEW.id)))"
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
        "feedback_round",
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("trainee_person_id", sa.Integer(), nullable=False),
        sa.Column("starter_person_id", sa.Integer(), nullable=False),
        sa.Column("starter_account_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("begun_on", sa.Date(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=True),
        sa.Column("closes_on", sa.Date(), nullable=True),
        sa.Column("extended", sa.Boolean(), nullable=False),
        sa.Column("reminded", sa.Boolean(), nullable=False),
        sa.Column("invited", sa.Integer(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.CheckConstraint("state IN ('proposed', 'cancelled') OR closes_on IS NOT NULL", name=op.f("ck_feedback_round_dates")),
        sa.CheckConstraint("state IN ('proposed', 'open', 'closed', 'lapsed', 'cancelled')", name=op.f("ck_feedback_round_state")),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohort.id"], name=op.f("fk_feedback_round_cohort_id_cohort")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.id"], name=op.f("fk_feedback_round_enrolment_id_enrolment")),
        sa.ForeignKeyConstraint(["starter_account_id"], ["account.id"], name=op.f("fk_feedback_round_starter_account_id_account")),
        sa.ForeignKeyConstraint(["starter_person_id"], ["person.id"], name=op.f("fk_feedback_round_starter_person_id_person")),
        sa.ForeignKeyConstraint(["trainee_person_id"], ["person.id"], name=op.f("fk_feedback_round_trainee_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback_round")),
        sa.UniqueConstraint("public_id", name=op.f("uq_feedback_round_public_id")),
    )
    op.create_index("ix_feedback_round_enrolment", "feedback_round", ["enrolment_id"])
    op.create_index("ix_feedback_round_state", "feedback_round", ["state", "closes_on"])
    op.create_index("uq_feedback_round_under_way", "feedback_round", ["enrolment_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('proposed', 'open')"),
        postgresql_where=sa.text("state IN ('proposed', 'open')"),
    )
    op.create_table(
        "feedback_rater",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("group_", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.CheckConstraint("group_ IN ('doctor', 'nurse', 'other')", name=op.f("ck_feedback_rater_group")),
        sa.CheckConstraint("state IN ('asked', 'answered', 'declined')", name=op.f("ck_feedback_rater_state")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_feedback_rater_person_id_person")),
        sa.ForeignKeyConstraint(["round_id"], ["feedback_round.id"], name=op.f("fk_feedback_rater_round_id_feedback_round")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback_rater")),
        sa.UniqueConstraint("round_id", "person_id", name=op.f("uq_feedback_rater_round_id_person_id")),
    )
    op.create_index("ix_feedback_rater_person_id", "feedback_rater", ["person_id"])
    op.create_table(
        "feedback_box",
        sa.Column("round_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("locked", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["feedback_round.id"], name=op.f("fk_feedback_box_round_id_feedback_round")),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_feedback_box")),
    )
    op.create_table(
        "feedback_self",
        sa.Column("round_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ratings", JSON, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["feedback_round.id"], name=op.f("fk_feedback_self_round_id_feedback_round")),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_feedback_self")),
    )
    op.create_table(
        "feedback_result",
        sa.Column("round_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("summed", JSON, nullable=False),
        sa.Column("well", JSON, nullable=False),
        sa.Column("better", JSON, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["feedback_round.id"], name=op.f("fk_feedback_result_round_id_feedback_round")),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_feedback_result")),
    )
    op.create_table(
        "feedback_release",
        sa.Column("round_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_feedback_release_account_id_account")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_feedback_release_person_id_person")),
        sa.ForeignKeyConstraint(["round_id"], ["feedback_round.id"], name=op.f("fk_feedback_release_round_id_feedback_round")),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_feedback_release")),
    )
    op.create_table(
        "audit_sample",
        sa.Column("programme_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("root_day", sa.Date(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.String(length=64), nullable=False),
        sa.Column("population", sa.Integer(), nullable=False),
        sa.Column("population_sha256", sa.String(length=64), nullable=False),
        sa.Column("drawn", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["programme_id"], ["programme.id"], name=op.f("fk_audit_sample_programme_id_programme")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_sample")),
        sa.UniqueConstraint("programme_id", "month", name=op.f("uq_audit_sample_programme_id_month")),
        sa.UniqueConstraint("public_id", name=op.f("uq_audit_sample_public_id")),
    )
    op.create_table(
        "audit_sample_line",
        sa.Column("sample_id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("signer_person_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], name=op.f("fk_audit_sample_line_entry_id_entry")),
        sa.ForeignKeyConstraint(["sample_id"], ["audit_sample.id"], name=op.f("fk_audit_sample_line_sample_id_audit_sample")),
        sa.ForeignKeyConstraint(["signer_person_id"], ["person.id"], name=op.f("fk_audit_sample_line_signer_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_sample_line")),
        sa.UniqueConstraint("public_id", name=op.f("uq_audit_sample_line_public_id")),
        sa.UniqueConstraint("sample_id", "entry_id", name=op.f("uq_audit_sample_line_sample_id_entry_id")),
    )
    op.create_index("ix_audit_sample_line_signer", "audit_sample_line", ["signer_person_id"])
    op.create_table(
        "audit_sample_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('found', 'not_found', 'differs')", name=op.f("ck_audit_sample_check_outcome")),
        sa.CheckConstraint("outcome = 'found' OR words <> ''", name=op.f("ck_audit_sample_check_reason")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_audit_sample_check_account_id_account")),
        sa.ForeignKeyConstraint(["line_id"], ["audit_sample_line.id"], name=op.f("fk_audit_sample_check_line_id_audit_sample_line")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_audit_sample_check_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_sample_check")),
        sa.UniqueConstraint("line_id", "number", name=op.f("uq_audit_sample_check_line_id_number")),
    )
    op.create_table(
        "entrustment_badge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_entrustment_badge_account_id_account")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.id"], name=op.f("fk_entrustment_badge_enrolment_id_enrolment")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_entrustment_badge_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entrustment_badge")),
        sa.UniqueConstraint("code", name=op.f("uq_entrustment_badge_code")),
        sa.UniqueConstraint("enrolment_id", "number", name=op.f("uq_entrustment_badge_enrolment_id_number")),
    )
    for table in TABLES:
        if table not in UNGUARDED:
            guard(table, ROUND if table == "feedback_round" else "FALSE")


def downgrade() -> None:
    for table in reversed(TABLES):
        if table not in UNGUARDED:
            unguard(table)
        op.drop_table(table)
