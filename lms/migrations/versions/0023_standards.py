"""pass marks by Ebel, Hofstee and borderline regression: panels and what they said, the examiner's global rating

Revision ID: 0023
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0023'
down_revision = '0021'
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BEFORE = "method IN ('fixed', 'angoff')"
AFTER = "method IN ('fixed', 'angoff', 'ebel', 'hofstee', 'borderline')"
RATING = "rating BETWEEN 1 AND 5"


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


def methods(before: str, after: str) -> None:
    """Let a pass mark know other methods.

    SQLite changes a constraint by making the table anew, which its triggers forbid; a CHECK does not touch what is
    stored, so its words are changed where they stand (https://www.sqlite.org/lang_altertable.html, section 7).
    """
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_cut_score_method"), "cut_score", type_="check")
        op.create_check_constraint(op.f("ck_cut_score_method"), "cut_score", after)
        return
    bind = op.get_bind()
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema=ON")
    bind.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'cut_score'",
        (before, after),
    )
    bind.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema=RESET")


def upgrade() -> None:
    methods(BEFORE, AFTER)
    name = op.f("ck_marking_rating")
    op.execute(f"ALTER TABLE marking ADD COLUMN rating INTEGER CONSTRAINT {name} CHECK ({RATING})")
    op.create_table(
        "standard_study",
        sa.Column("test_id", sa.Integer(), nullable=False),
        sa.Column("form_id", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.CheckConstraint("method IN ('ebel', 'hofstee')", name=op.f("ck_standard_study_method")),
        sa.CheckConstraint("state IN ('round_1', 'round_2', 'closed')", name=op.f("ck_standard_study_state")),
        sa.ForeignKeyConstraint(["form_id"], ["exam_form.id"], name=op.f("fk_standard_study_form_id_exam_form")),
        sa.ForeignKeyConstraint(["test_id"], ["test.id"], name=op.f("fk_standard_study_test_id_test")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standard_study")),
        sa.UniqueConstraint("public_id", name=op.f("uq_standard_study_public_id")),
    )
    op.create_index(op.f("ix_standard_study_test_id"), "standard_study", ["test_id"])
    op.create_index(
        "uq_standard_study_open",
        "standard_study",
        ["test_id", "method"],
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_table(
        "standard_judge",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_standard_judge_person_id_person")),
        sa.ForeignKeyConstraint(["study_id"], ["standard_study.id"], name=op.f("fk_standard_judge_study_id_standard_study")),
        sa.PrimaryKeyConstraint("study_id", "person_id", name=op.f("pk_standard_judge")),
    )
    op.create_index(op.f("ix_standard_judge_person_id"), "standard_judge", ["person_id"])
    op.create_table(
        "standard_judgement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("given", JSON, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("round IN (1, 2)", name=op.f("ck_standard_judgement_round")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_standard_judgement_person_id_person")),
        sa.ForeignKeyConstraint(["study_id"], ["standard_study.id"], name=op.f("fk_standard_judgement_study_id_standard_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standard_judgement")),
    )
    op.create_index("ix_standard_judgement_study", "standard_judgement", ["study_id", "person_id", "round"])
    guard("standard_judgement")


def downgrade() -> None:
    unguard("standard_judgement")
    op.drop_table("standard_judgement")
    op.drop_table("standard_judge")
    op.drop_table("standard_study")
    op.drop_column("marking", "rating")  # with the check that stands beside it
    # The earlier schema knows no such methods; what was agreed on stays, as a value.
    unguard("cut_score")
    op.execute("UPDATE cut_score SET method = 'fixed' WHERE method NOT IN ('fixed', 'angoff')")
    guard("cut_score")
    methods(AFTER, BEFORE)
