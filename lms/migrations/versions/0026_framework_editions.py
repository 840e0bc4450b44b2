"""logbooks: frameworks under work, sealed versions with their review, ratification, and the version a cohort trains by

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SEALED = ("framework", "framework_item", "framework_edition", "framework_ratification", "cohort_framework")
DRAFT = (
    "OLD.state IN ('open', 'in_review') AND NEW.id = OLD.id AND NEW.public_id = OLD.public_id "
    "AND NEW.code = OLD.code AND NEW.made_at = OLD.made_at AND NEW.edition >= OLD.edition"
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
    op.add_column("framework_item", sa.Column("domain", sa.String(length=10), server_default="", nullable=False))
    op.create_table(
        "framework_draft",
        sa.Column("code", sa.String(length=10), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("from_framework_id", sa.Integer(), nullable=True),
        sa.Column("framework_id", sa.Integer(), nullable=True),
        sa.Column("client_uuid", sa.String(length=64), nullable=False),
        sa.Column("editors", JSON, nullable=False),
        sa.Column("saved_by_id", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.CheckConstraint("state IN ('open', 'in_review', 'done', 'dropped')", name=op.f("ck_framework_draft_state")),
        sa.CheckConstraint("(state = 'done') = (framework_id IS NOT NULL)", name=op.f("ck_framework_draft_done")),
        sa.ForeignKeyConstraint(["from_framework_id"], ["framework.id"], name=op.f("fk_framework_draft_from_framework_id_framework")),
        sa.ForeignKeyConstraint(["framework_id"], ["framework.id"], name=op.f("fk_framework_draft_framework_id_framework")),
        sa.ForeignKeyConstraint(["saved_by_id"], ["person.id"], name=op.f("fk_framework_draft_saved_by_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_framework_draft")),
        sa.UniqueConstraint("client_uuid", name=op.f("uq_framework_draft_client_uuid")),
        sa.UniqueConstraint("framework_id", name=op.f("uq_framework_draft_framework_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_framework_draft_public_id")),
    )
    op.create_index("ix_framework_draft_state", "framework_draft", ["state", "saved_at"])
    op.create_table(
        "framework_edition",
        sa.Column("framework_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("domains", JSON, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("from_framework_id", sa.Integer(), nullable=True),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("author_id <> reviewer_id", name=op.f("ck_framework_edition_two_persons")),
        sa.ForeignKeyConstraint(["framework_id"], ["framework.id"], name=op.f("fk_framework_edition_framework_id_framework")),
        sa.ForeignKeyConstraint(["from_framework_id"], ["framework.id"], name=op.f("fk_framework_edition_from_framework_id_framework")),
        sa.ForeignKeyConstraint(["approval_id"], ["approval.id"], name=op.f("fk_framework_edition_approval_id_approval")),
        sa.ForeignKeyConstraint(["author_id"], ["person.id"], name=op.f("fk_framework_edition_author_id_person")),
        sa.ForeignKeyConstraint(["reviewer_id"], ["person.id"], name=op.f("fk_framework_edition_reviewer_id_person")),
        sa.PrimaryKeyConstraint("framework_id", name=op.f("pk_framework_edition")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_framework_edition_approval_id")),
    )
    op.create_table(
        "framework_ratification",
        sa.Column("framework_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("meeting", sa.String(length=120), nullable=False),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["framework_id"], ["framework.id"], name=op.f("fk_framework_ratification_framework_id_framework")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_framework_ratification_person_id_person")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_framework_ratification_account_id_account")),
        sa.PrimaryKeyConstraint("framework_id", name=op.f("pk_framework_ratification")),
    )
    op.create_table(
        "cohort_framework",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=10), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("framework_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('chosen', 'kept')", name=op.f("ck_cohort_framework_kind")),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohort.id"], name=op.f("fk_cohort_framework_cohort_id_cohort")),
        sa.ForeignKeyConstraint(["framework_id"], ["framework.id"], name=op.f("fk_cohort_framework_framework_id_framework")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_cohort_framework_person_id_person")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_cohort_framework_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cohort_framework")),
        sa.UniqueConstraint("cohort_id", "code", "number", name=op.f("uq_cohort_framework_cohort_id_code_number")),
    )
    op.create_index("ix_cohort_framework_framework", "cohort_framework", ["framework_id"])
    guard("framework_draft", DRAFT)
    for table in SEALED:
        guard(table)


def downgrade() -> None:
    for table in (*SEALED, "framework_draft"):
        unguard(table)
    for table in ("cohort_framework", "framework_ratification", "framework_edition", "framework_draft"):
        op.drop_table(table)
    op.drop_column("framework_item", "domain")
