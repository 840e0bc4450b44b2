"""certificates: suspension, replacement, waivers, one that counts per person and programme, the public log

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
APPEND_ONLY = ("certificate_waiver", "certificate_log_entry", "certificate_log_head")
BEFORE = "state IN ('reserved', 'good', 'revoked', 'superseded')"
AFTER = "state IN ('reserved', 'good', 'suspended', 'revoked', 'superseded')"
FROZEN = (
    "NEW.serial = OLD.serial AND NEW.enrolment_id = OLD.enrolment_id AND NEW.person_id = OLD.person_id "
    "AND NEW.kind = OLD.kind AND NEW.edition = OLD.edition AND NEW.facts = OLD.facts "
    "AND NEW.facts_sha256 = OLD.facts_sha256 AND NEW.trace = OLD.trace AND NEW.verify_key = OLD.verify_key "
    "AND (OLD.pdf_sha256 IS NULL OR (NEW.pdf_sha256 = OLD.pdf_sha256 AND NEW.pdf_key = OLD.pdf_key)) "
)
MOVES_BEFORE = (
    "AND (NEW.state = OLD.state OR (OLD.state = 'reserved' AND NEW.state = 'good') "
    "OR (OLD.state = 'good' AND NEW.state IN ('revoked', 'superseded')))"
)
MOVES_AFTER = (
    "AND (NEW.state = OLD.state OR (OLD.state = 'reserved' AND NEW.state = 'good') "
    "OR (OLD.state = 'good' AND NEW.state IN ('suspended', 'revoked', 'superseded')) "
    "OR (OLD.state = 'suspended' AND NEW.state IN ('good', 'revoked', 'superseded'))) "
    "AND COALESCE(NEW.supersedes, '') = COALESCE(OLD.supersedes, '') AND NEW.cause = OLD.cause"
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


def states(before: str, after: str) -> None:
    """Let the register know other states.

    SQLite changes a constraint by making the table anew, which rows that refer to it forbid; a CHECK does not touch what
    is stored, so its words are changed where they stand (https://www.sqlite.org/lang_altertable.html, section 7).
    """
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_certificate_state"), "certificate", type_="check")
        op.create_check_constraint(op.f("ck_certificate_state"), "certificate", after)
        return
    bind = op.get_bind()
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema=ON")
    bind.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'certificate'",
        (before, after),
    )
    bind.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema=RESET")


def one(name: str, columns: list[str], condition: str) -> None:
    """At most one row per columns among those of a state."""
    op.create_index(
        name,
        "certificate",
        columns,
        unique=True,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )


def upgrade() -> None:
    unguard("certificate")
    op.add_column("certificate", sa.Column("supersedes", sa.String(length=40), nullable=True))
    op.add_column("certificate", sa.Column("cause", sa.String(length=300), nullable=False, server_default=""))
    op.add_column("certificate", sa.Column("suspended_for", sa.String(length=10), nullable=True))
    states(BEFORE, AFTER)
    op.drop_index("uq_certificate_one", "certificate")
    whose = ["person_id", "programme_id", "kind"]
    # Two cohorts of one programme each counted from 1: the numbers go on, in the order in which they were given.
    op.execute(
        "UPDATE certificate SET edition = (SELECT count(*) FROM certificate AS other WHERE other.person_id = certificate.person_id "
        "AND other.programme_id = certificate.programme_id AND other.kind = certificate.kind AND other.id <= certificate.id)"
    )
    one("uq_certificate_one", whose, "state IN ('good', 'suspended')")
    one("uq_certificate_making", whose, "state = 'reserved'")
    op.create_index("uq_certificate_edition", "certificate", [*whose, "edition"], unique=True)
    guard("certificate", FROZEN + MOVES_AFTER)
    op.create_table(
        "certificate_waiver",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("fact", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("approval_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["approval_id"], ["approval.id"], name=op.f("fk_certificate_waiver_approval_id_approval")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.id"], name=op.f("fk_certificate_waiver_enrolment_id_enrolment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_waiver")),
        sa.UniqueConstraint("enrolment_id", "fact", name=op.f("uq_certificate_waiver_enrolment_id_fact")),
    )
    op.create_table(
        "certificate_log_entry",
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("certificate_id", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=12), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("leaf", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_certificate_log_entry_certificate_id_certificate")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_certificate_log_entry")),
    )
    op.create_index(op.f("ix_certificate_log_entry_certificate_id"), "certificate_log_entry", ["certificate_id"])
    op.create_table(
        "certificate_log_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("peaks", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_log_state")),
    )
    op.create_table(
        "certificate_log_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_log_head")),
    )
    for table in APPEND_ONLY:
        guard(table)


def downgrade() -> None:
    for table in APPEND_ONLY:
        unguard(table)
    for table in ("certificate_log_head", "certificate_log_state", "certificate_log_entry", "certificate_waiver"):
        op.drop_table(table)
    unguard("certificate")
    for index in ("uq_certificate_edition", "uq_certificate_making", "uq_certificate_one"):
        op.drop_index(index, "certificate")
    op.execute("UPDATE certificate SET state = 'good' WHERE state = 'suspended'")
    # The earlier schema knows no certificate that is being made beside one that counts.
    one("uq_certificate_one", ["enrolment_id", "kind"], "state IN ('reserved', 'good')")
    states(AFTER, BEFORE)
    for column in ("suspended_for", "cause", "supersedes"):
        op.drop_column("certificate", column)
    guard("certificate", FROZEN + MOVES_BEFORE)
