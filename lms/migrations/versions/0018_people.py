"""hospitals with their history

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

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


def downgrade() -> None:
    op.drop_table("hospital_version")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION hospital_version_refuse()")
    op.drop_column("hospital", "closed_on")
