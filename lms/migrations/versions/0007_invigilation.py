"""invigilation: accommodations, messages and incidents, who is connected

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

APPEND_ONLY = ("accommodation", "sitting_note")


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
    op.create_table('accommodation',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('enrolment_id', sa.Integer(), nullable=False),
        sa.Column('percent', sa.Integer(), nullable=False),
        sa.Column('minutes', sa.Integer(), nullable=False),
        sa.Column('need', sa.String(length=20), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('percent >= 0 AND minutes >= 0', name=op.f('ck_accommodation_more')),
        sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_accommodation_enrolment_id_enrolment')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_accommodation')),
    )
    op.create_index(op.f('ix_accommodation_enrolment_id'), 'accommodation', ['enrolment_id'])
    op.create_table('sitting_note',
        sa.Column('test_id', sa.Integer(), nullable=False),
        sa.Column('sitting_id', sa.Integer(), nullable=True),
        sa.Column('kind', sa.String(length=10), nullable=False),
        sa.Column('words', sa.String(length=500), nullable=False),
        sa.Column('client_uuid', sa.String(length=64), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint("kind IN ('message', 'incident')", name=op.f('ck_sitting_note_kind')),
        sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_sitting_note_sitting_id_sitting')),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_sitting_note_test_id_test')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_sitting_note')),
        sa.UniqueConstraint('account_id', 'client_uuid', name=op.f('uq_sitting_note_account_id_client_uuid')),
        sa.UniqueConstraint('public_id', name=op.f('uq_sitting_note_public_id')),
    )
    op.create_index(op.f('ix_sitting_note_sitting_id'), 'sitting_note', ['sitting_id'])
    op.create_index(op.f('ix_sitting_note_test_id'), 'sitting_note', ['test_id'])
    op.create_table('sitting_presence',
        sa.Column('sitting_id', sa.Integer(), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_sitting_presence_sitting_id_sitting')),
        sa.PrimaryKeyConstraint('sitting_id', name=op.f('pk_sitting_presence')),
    )
    for table in APPEND_ONLY:
        guard(table)


def unguard(table: str) -> None:
    """Let a table be changed again."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{verb}")
        return
    op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
    op.execute(f"DROP TRIGGER {table}_no_change ON {table}")
    op.execute(f"DROP FUNCTION {table}_refuse()")


def downgrade() -> None:
    for table in APPEND_ONLY:
        unguard(table)
    for table in ('sitting_presence', 'sitting_note', 'accommodation'):
        op.drop_table(table)
