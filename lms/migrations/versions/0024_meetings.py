"""programmes: meetings of trainee and mentor with their acknowledgements, attendance

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

APPEND_ONLY = ("meeting", "meeting_acknowledgement", "attendance")


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


def one(name: str, table: str, columns: list[str], condition: str) -> None:
    """At most one row per columns among those of a condition."""
    op.create_index(
        name,
        table,
        columns,
        unique=True,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )


def upgrade() -> None:
    op.create_table(
        "meeting",
        sa.Column("placement_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("mentor_person_id", sa.Integer(), nullable=False),
        sa.Column("summary", sa.String(length=2000), nullable=False),
        sa.Column("plan", sa.String(length=2000), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("supersedes_id", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.CheckConstraint("kind IN ('induction', 'mid', 'final', 'concern')", name=op.f("ck_meeting_kind")),
        sa.CheckConstraint("(kind = 'concern') = (due_on IS NULL)", name=op.f("ck_meeting_due")),
        sa.ForeignKeyConstraint(["mentor_person_id"], ["person.id"], name=op.f("fk_meeting_mentor_person_id_person")),
        sa.ForeignKeyConstraint(["placement_id"], ["placement.id"], name=op.f("fk_meeting_placement_id_placement")),
        sa.ForeignKeyConstraint(["supersedes_id"], ["meeting.id"], name=op.f("fk_meeting_supersedes_id_meeting")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting")),
        sa.UniqueConstraint("public_id", name=op.f("uq_meeting_public_id")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_meeting_supersedes_id")),
    )
    op.create_index(op.f("ix_meeting_placement_id"), "meeting", ["placement_id"])
    one("uq_meeting_planned", "meeting", ["placement_id", "kind", "due_on"], "supersedes_id IS NULL AND kind <> 'concern'")
    one("uq_meeting_concern", "meeting", ["placement_id", "held_on", "mentor_person_id"], "supersedes_id IS NULL AND kind = 'concern'")
    op.create_table(
        "meeting_acknowledgement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("meeting_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(length=10), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("part IN ('mentor', 'trainee')", name=op.f("ck_meeting_acknowledgement_part")),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_meeting_acknowledgement_meeting_id_meeting")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_meeting_acknowledgement_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_acknowledgement")),
        sa.UniqueConstraint("meeting_id", "person_id", name=op.f("uq_meeting_acknowledgement_meeting_id_person_id")),
    )
    op.create_table(
        "attendance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("placement_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("confirmed_by", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("supersedes_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('duty', 'night', 'half', 'leave', 'sick', 'study', 'absent')", name=op.f("ck_attendance_kind")
        ),
        sa.ForeignKeyConstraint(["confirmed_by"], ["person.id"], name=op.f("fk_attendance_confirmed_by_person")),
        sa.ForeignKeyConstraint(["placement_id"], ["placement.id"], name=op.f("fk_attendance_placement_id_placement")),
        sa.ForeignKeyConstraint(["supersedes_id"], ["attendance.id"], name=op.f("fk_attendance_supersedes_id_attendance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attendance")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_attendance_supersedes_id")),
    )
    one("uq_attendance_first", "attendance", ["placement_id", "day"], "supersedes_id IS NULL")
    for table in APPEND_ONLY:
        guard(table)


def downgrade() -> None:
    for table in APPEND_ONLY:
        unguard(table)
    for table in ("attendance", "meeting_acknowledgement", "meeting"):
        op.drop_table(table)
