"""programmes: the duty roster, qualifications of mentors, load cap of a programme

Revision ID: 0028
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = '0028'
down_revision = '0026'
branch_labels = None
depends_on = None

APPEND_ONLY = ("duty", "mentor_qualification")


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


def first(table: str, columns: list[str]) -> None:
    """At most one row per columns that supersedes none."""
    op.create_index(
        f"uq_{table}_first",
        table,
        columns,
        unique=True,
        sqlite_where=sa.text("supersedes_id IS NULL"),
        postgresql_where=sa.text("supersedes_id IS NULL"),
    )


def upgrade() -> None:
    op.create_table(
        "duty",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("shift", sa.String(length=10), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("written", sa.String(length=20), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("supersedes_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "shift IN ('day', 'evening', 'night', 'full', 'half', 'study', 'leave', 'off')", name=op.f("ck_duty_shift")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_duty_account_id_account")),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohort.id"], name=op.f("fk_duty_cohort_id_cohort")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_duty_person_id_person")),
        sa.ForeignKeyConstraint(["supersedes_id"], ["duty.id"], name=op.f("fk_duty_supersedes_id_duty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_duty_supersedes_id")),
    )
    op.create_index("ix_duty_person", "duty", ["person_id", "day"])
    op.create_index("ix_duty_week", "duty", ["cohort_id", "day"])
    first("duty", ["cohort_id", "person_id", "day"])
    op.create_table(
        "mentor_qualification",
        sa.Column("programme_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=20), nullable=False),
        sa.Column("years", sa.Integer(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Integer(), nullable=False),
        sa.Column("supersedes_id", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.CheckConstraint("to_on IS NULL OR to_on >= from_on", name=op.f("ck_mentor_qualification_dates")),
        sa.CheckConstraint("years >= 0", name=op.f("ck_mentor_qualification_years")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_mentor_qualification_person_id_person")),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("fk_mentor_qualification_programme_id_programme")
        ),
        sa.ForeignKeyConstraint(["recorded_by"], ["person.id"], name=op.f("fk_mentor_qualification_recorded_by_person")),
        sa.ForeignKeyConstraint(
            ["supersedes_id"],
            ["mentor_qualification.id"],
            name=op.f("fk_mentor_qualification_supersedes_id_mentor_qualification"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mentor_qualification")),
        sa.UniqueConstraint("public_id", name=op.f("uq_mentor_qualification_public_id")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_mentor_qualification_supersedes_id")),
    )
    op.create_index("ix_mentor_qualification_person", "mentor_qualification", ["programme_id", "person_id"])
    first("mentor_qualification", ["programme_id", "person_id", "from_on"])
    op.add_column("programme", sa.Column("mentor_cap", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("programme", sa.Column("asks_qualification", sa.Boolean(), nullable=False, server_default=sa.false()))
    for table in APPEND_ONLY:
        guard(table)


def downgrade() -> None:
    for table in APPEND_ONLY:
        unguard(table)
    op.drop_column("programme", "asks_qualification")
    op.drop_column("programme", "mentor_cap")
    op.drop_table("mentor_qualification")
    op.drop_table("duty")
