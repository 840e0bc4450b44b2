"""certificate documents: each state of a file, credentials, status lists

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

APPEND_ONLY = ("certificate_file",)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


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


def leased() -> "list[sa.Column[object]]":
    return [
        sa.Column('lease_owner', sa.String(length=80), nullable=True),
        sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('lease_token', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('failure', sa.String(length=400), nullable=True),
    ]


def upgrade() -> None:
    op.create_table('certificate_file',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('certificate_id', sa.Integer(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('pdf_key', sa.String(length=160), nullable=False),
        sa.Column('pdf_bytes', sa.Integer(), nullable=False),
        sa.Column('level', sa.String(length=5), nullable=False),
        sa.Column('signer_sha256', sa.String(length=64), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("level IN ('B-B', 'B-T', 'B-LTA')", name=op.f('ck_certificate_file_level')),
        sa.ForeignKeyConstraint(['certificate_id'], ['certificate.id'], name=op.f('fk_certificate_file_certificate_id_certificate')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_file')),
        sa.UniqueConstraint('certificate_id', 'number', name=op.f('uq_certificate_file_certificate_id_number')),
        sa.UniqueConstraint('sha256', name=op.f('uq_certificate_file_sha256')),
    )
    op.create_table('certificate_document',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('level', sa.String(length=5), nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('credential', JSON, nullable=True),
        *leased(),
        sa.ForeignKeyConstraint(['id'], ['certificate.id'], name=op.f('fk_certificate_document_id_certificate')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_document')),
    )
    op.create_table('certificate_status_list',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('purpose', sa.String(length=12), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('listed', sa.Integer(), nullable=False),
        sa.Column('listed_sum', sa.BigInteger(), nullable=False),
        sa.Column('document', JSON, nullable=True),
        sa.Column('valid_until', sa.DateTime(timezone=True), nullable=True),
        *leased(),
        sa.CheckConstraint("purpose IN ('revocation', 'suspension')", name=op.f('ck_certificate_status_list_purpose')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_status_list')),
        sa.UniqueConstraint('purpose', 'number', name=op.f('uq_certificate_status_list_purpose_number')),
    )
    # The files of the certificates issued so far are their first state.
    op.execute(
        "INSERT INTO certificate_file (certificate_id, number, sha256, pdf_key, pdf_bytes, level, at) "
        "SELECT id, 1, pdf_sha256, pdf_key, pdf_bytes, 'B-B', finished_at FROM certificate WHERE pdf_sha256 IS NOT NULL AND pdf_key IS NOT NULL AND pdf_bytes IS NOT NULL AND finished_at IS NOT NULL"
    )
    op.execute(
        "INSERT INTO certificate_document (id, level, lease_token, attempts) "
        "SELECT id, 'B-B', 0, 0 FROM certificate WHERE pdf_sha256 IS NOT NULL AND pdf_key IS NOT NULL AND pdf_bytes IS NOT NULL AND finished_at IS NOT NULL"
    )
    for table in APPEND_ONLY:
        guard(table)


def unguard(table: str) -> None:
    """Let a table be changed again."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{verb}")
        return
    op.execute(f"DROP TRIGGER {table}_no_change ON {table}")
    op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
    op.execute(f"DROP FUNCTION {table}_refuse()")


def downgrade() -> None:
    for table in reversed(APPEND_ONLY):
        unguard(table)
    op.drop_table('certificate_status_list')
    op.drop_table('certificate_document')
    op.drop_table('certificate_file')
