"""accounts: what people are professionally, and their identity numbers, sealed

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None

GUARDED = {
    "person_profile": "",
    "identity_number": (
        "OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.sealed IS NULL AND NEW.digest IS NULL "
        "AND NEW.id = OLD.id AND NEW.person_id = OLD.person_id AND NEW.entered_at = OLD.entered_at "
        "AND COALESCE(NEW.entered_by, 0) = COALESCE(OLD.entered_by, 0)"
    ),
}
"""Append-only tables, and what an update must be to be let through."""


def guard(table: str, unless: str) -> None:
    """Make a table append-only."""
    if op.get_bind().dialect.name == "sqlite":
        condition = f"WHEN NOT COALESCE(({unless}), 0) " if unless else ""
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF {unless or 'FALSE'} THEN RETURN NEW; END IF; END IF; "
        f"RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse()")
    op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()")


def upgrade() -> None:
    op.create_table(
        "person_profile",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("licence_number", sa.String(length=20), nullable=False),
        sa.Column("practice_scope", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=20), nullable=False),
        sa.Column("specialty", sa.String(length=60), nullable=False),
        sa.Column("degree", sa.String(length=20), nullable=False),
        sa.Column("practising_since", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_person_profile_account_id_account")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_person_profile_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_profile")),
        sa.UniqueConstraint("person_id", "number", name=op.f("uq_person_profile_person_id_number")),
    )
    op.create_table(
        "identity_number",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_by", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NULL AND sealed IS NOT NULL AND digest IS NOT NULL) "
            "OR (ended_at IS NOT NULL AND sealed IS NULL AND digest IS NULL)",
            name=op.f("ck_identity_number_kept"),
        ),
        sa.ForeignKeyConstraint(["ended_by"], ["account.id"], name=op.f("fk_identity_number_ended_by_account")),
        sa.ForeignKeyConstraint(["entered_by"], ["account.id"], name=op.f("fk_identity_number_entered_by_account")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_identity_number_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_number")),
    )
    op.create_index(op.f("ix_identity_number_person_id"), "identity_number", ["person_id"])
    for name, column in (("person", "person_id"), ("digest", "digest")):
        op.create_index(
            f"uq_identity_number_{name}",
            "identity_number",
            [column],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
    for table, unless in GUARDED.items():
        guard(table, unless)


def downgrade() -> None:
    for table in GUARDED:
        op.drop_table(table)
        if op.get_bind().dialect.name != "sqlite":
            op.execute(f"DROP FUNCTION {table}_refuse()")
