"""hospitals with their history, seats and timetable of a cohort

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
FACTS = "code, name_zh, name_en, tier, grade, county_code, region, relation"


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
    op.add_column("hospital", sa.Column("closed_on", sa.Date(), nullable=True))
    op.create_table(
        "hospital_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hospital_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name_zh", sa.String(length=120), nullable=False),
        sa.Column("name_en", sa.String(length=160), nullable=False),
        sa.Column("tier", sa.String(length=10), nullable=False),
        sa.Column("grade", sa.String(length=10), nullable=False),
        sa.Column("county_code", sa.String(length=6), nullable=False),
        sa.Column("region", sa.String(length=12), nullable=False),
        sa.Column("relation", sa.String(length=20), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_hospital_version_account_id_account")),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospital.id"], name=op.f("fk_hospital_version_hospital_id_hospital")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hospital_version")),
        sa.UniqueConstraint("hospital_id", "number", name=op.f("uq_hospital_version_hospital_id_number")),
    )
    # What is known today is the first version of each.
    op.execute(
        f"INSERT INTO hospital_version (hospital_id, number, at, {FACTS}) "
        f"SELECT id, 1, CURRENT_TIMESTAMP, {FACTS} FROM hospital ORDER BY id"
    )
    guard("hospital_version")
    op.add_column("cohort", sa.Column("seats", JSON, nullable=False, server_default="{}"))
    op.create_table(
        "cohort_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("title_zh", sa.String(length=120), nullable=False),
        sa.Column("title_en", sa.String(length=120), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("begins", sa.Time(), nullable=True),
        sa.Column("ends", sa.Time(), nullable=True),
        sa.Column("place", sa.String(length=120), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohort.id"], name=op.f("fk_cohort_event_cohort_id_cohort")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cohort_event")),
        sa.UniqueConstraint("public_id", name=op.f("uq_cohort_event_public_id")),
    )
    op.create_index(op.f("ix_cohort_event_cohort_id"), "cohort_event", ["cohort_id"])


def downgrade() -> None:
    op.drop_table("cohort_event")
    op.drop_column("cohort", "seats")
    op.drop_table("hospital_version")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION hospital_version_refuse()")
    op.drop_column("hospital", "closed_on")
