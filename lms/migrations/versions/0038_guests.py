"""logbooks: raters of multisource feedback without an account, asked by a link of their own

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op

revision = '0038'
down_revision = '0037'
branch_labels = None
depends_on = None

TABLE = "feedback_round"


def allowed(*tables: str) -> str:
    """When a round may change: as in 0030, and it ends only once these tables hold nothing of it."""
    gone = " AND ".join(f"NOT EXISTS (SELECT 1 FROM {one} g WHERE g.round_id = NEW.id)" for one in tables)
    return (
        "NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.enrolment_id = OLD.enrolment_id AND "
        "NEW.cohort_id = OLD.cohort_id AND NEW.trainee_person_id = OLD.trainee_person_id AND NEW.starter_person_id"
        " = OLD.starter_person_id AND NEW.starter_account_id = OLD.starter_account_id AND NEW.begun_on = "
        "OLD.begun_on AND (OLD.state = 'open' OR (OLD.state = 'proposed' AND NEW.state IN ('proposed', 'open', "
        "'cancelled'))) AND (NEW.state <> 'proposed' OR OLD.state = 'proposed') AND (NEW.state IN ('proposed', "
        "'open') OR NEW.ended_on IS NOT NULL) AND (NEW.state <> 'closed' OR EXISTS (SELECT 1 FROM feedback_result "
        f"r WHERE r.round_id = NEW.id)) AND (NEW.state IN ('proposed', 'open') OR ({gone}))"
    )


def guard(unless: str) -> None:
    """Let a round change only so."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {TABLE}_no_update BEFORE UPDATE ON {TABLE} WHEN NOT COALESCE(({unless}), 0) "
            f"BEGIN SELECT RAISE(ABORT, '{TABLE} is append-only'); END"
        )
        return
    op.execute(
        f"CREATE OR REPLACE FUNCTION {TABLE}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF {unless} THEN RETURN NEW; END IF; END IF; "
        f"RAISE EXCEPTION '{TABLE} is append-only'; END $$"
    )


def unguard() -> None:
    """Take the rule away; on PostgreSQL the next one replaces it."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {TABLE}_no_update")


def upgrade() -> None:
    op.create_table(
        "feedback_guest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("group_", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.CheckConstraint("group_ IN ('doctor', 'nurse', 'other')", name=op.f("ck_feedback_guest_group")),
        sa.CheckConstraint("state IN ('asked', 'answered', 'declined')", name=op.f("ck_feedback_guest_state")),
        sa.ForeignKeyConstraint(["round_id"], ["feedback_round.id"], name=op.f("fk_feedback_guest_round_id_feedback_round")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback_guest")),
        sa.UniqueConstraint("round_id", "name", name=op.f("uq_feedback_guest_round_id_name")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_feedback_guest_token_sha256")),
    )
    unguard()
    guard(allowed("feedback_rater", "feedback_guest", "feedback_box"))


def downgrade() -> None:
    unguard()
    guard(allowed("feedback_rater", "feedback_box"))
    op.drop_table("feedback_guest")
