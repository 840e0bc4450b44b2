"""human marking: files of candidates, markers, their markings, what was settled

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

APPEND_ONLY = ("slot_file", "marking", "settled_mark", "remark_order")


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
    op.execute("ALTER TABLE sitting ADD COLUMN marking_since " + ("DATETIME" if op.get_bind().dialect.name == "sqlite" else "TIMESTAMP WITH TIME ZONE"))
    op.create_table('slot_file',
        sa.Column('sitting_id', sa.Integer(), nullable=False),
        sa.Column('slot', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=200), nullable=False),
        sa.Column('storage_key', sa.String(length=120), nullable=False),
        sa.Column('size_bytes', sa.BigInteger(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_slot_file_sitting_id_sitting')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_slot_file')),
        sa.UniqueConstraint('public_id', name=op.f('uq_slot_file_public_id')),
    )
    op.create_index(op.f('ix_slot_file_sitting_id'), 'slot_file', ['sitting_id'])
    op.create_table('marking_plan',
        sa.Column('test_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('markers', sa.Integer(), nullable=False),
        sa.Column('examiners', sa.Integer(), nullable=False),
        sa.Column('apart_percent', sa.Integer(), nullable=False),
        sa.CheckConstraint('markers BETWEEN 1 AND 2 AND examiners BETWEEN 1 AND 2', name=op.f('ck_marking_plan_people')),
        sa.CheckConstraint('apart_percent BETWEEN 0 AND 100', name=op.f('ck_marking_plan_apart')),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_marking_plan_test_id_test')),
        sa.PrimaryKeyConstraint('test_id', name=op.f('pk_marking_plan')),
    )
    op.create_table('test_marker',
        sa.Column('test_id', sa.Integer(), nullable=False),
        sa.Column('question_version_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_test_marker_test_id_test')),
        sa.ForeignKeyConstraint(['question_version_id'], ['question_version.id'], name=op.f('fk_test_marker_question_version_id_question_version')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_test_marker_person_id_person')),
        sa.PrimaryKeyConstraint('test_id', 'question_version_id', 'person_id', name=op.f('pk_test_marker')),
    )
    op.create_index(op.f('ix_test_marker_person_id'), 'test_marker', ['person_id'])
    op.create_table('marked_response',
        sa.Column('sitting_id', sa.Integer(), nullable=False),
        sa.Column('slot', sa.Integer(), nullable=False),
        sa.Column('question_version_id', sa.Integer(), nullable=False),
        sa.Column('round', sa.Integer(), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_marked_response_sitting_id_sitting')),
        sa.ForeignKeyConstraint(['question_version_id'], ['question_version.id'], name=op.f('fk_marked_response_question_version_id_question_version')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_marked_response')),
        sa.UniqueConstraint('public_id', name=op.f('uq_marked_response_public_id')),
        sa.UniqueConstraint('sitting_id', 'slot', name=op.f('uq_marked_response_sitting_id_slot')),
    )
    op.create_index(op.f('ix_marked_response_question_version_id'), 'marked_response', ['question_version_id'])
    op.create_table('marker_seat',
        sa.Column('response_id', sa.Integer(), nullable=False),
        sa.Column('round', sa.Integer(), nullable=False),
        sa.Column('place', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint('place BETWEEN 1 AND 3', name=op.f('ck_marker_seat_place')),
        sa.ForeignKeyConstraint(['response_id'], ['marked_response.id'], name=op.f('fk_marker_seat_response_id_marked_response')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_marker_seat_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_marker_seat')),
        sa.UniqueConstraint('public_id', name=op.f('uq_marker_seat_public_id')),
        sa.UniqueConstraint('response_id', 'round', 'place', name=op.f('uq_marker_seat_response_id_round_place')),
        sa.UniqueConstraint('response_id', 'person_id', name=op.f('uq_marker_seat_response_id_person_id')),
    )
    op.create_index(op.f('ix_marker_seat_person_id'), 'marker_seat', ['person_id'])
    op.create_table('marking',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('seat_id', sa.Integer(), nullable=False),
        sa.Column('n', sa.Integer(), nullable=False),
        sa.Column('client_uuid', sa.String(length=64), nullable=False),
        sa.Column('key_revision_id', sa.Integer(), nullable=False),
        sa.Column('given', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column('share', sa.String(length=40), nullable=False),
        sa.Column('note', sa.String(length=2000), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['seat_id'], ['marker_seat.id'], name=op.f('fk_marking_seat_id_marker_seat')),
        sa.ForeignKeyConstraint(['key_revision_id'], ['key_revision.id'], name=op.f('fk_marking_key_revision_id_key_revision')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_marking')),
        sa.UniqueConstraint('seat_id', 'n', name=op.f('uq_marking_seat_id_n')),
        sa.UniqueConstraint('seat_id', 'client_uuid', name=op.f('uq_marking_seat_id_client_uuid')),
    )
    op.create_table('settled_mark',
        sa.Column('response_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('round', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('share', sa.String(length=40), nullable=False),
        sa.Column('markings', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('round >= 1', name=op.f('ck_settled_mark_round')),
        sa.ForeignKeyConstraint(['response_id'], ['marked_response.id'], name=op.f('fk_settled_mark_response_id_marked_response')),
        sa.PrimaryKeyConstraint('response_id', 'round', name=op.f('pk_settled_mark')),
    )
    op.create_table('remark_order',
        sa.Column('response_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('round', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('reason', sa.String(length=500), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['response_id'], ['marked_response.id'], name=op.f('fk_remark_order_response_id_marked_response')),
        sa.PrimaryKeyConstraint('response_id', 'round', name=op.f('pk_remark_order')),
    )
    for table in APPEND_ONLY:
        guard(table)


def downgrade() -> None:
    for table in APPEND_ONLY:
        unguard(table)
    for table in ('remark_order', 'settled_mark', 'marking', 'marker_seat', 'marked_response', 'test_marker', 'marking_plan', 'slot_file'):
        op.drop_table(table)
    op.execute("ALTER TABLE sitting DROP COLUMN marking_since")
