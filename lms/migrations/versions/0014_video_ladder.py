"""Chapters of lectures, uploads in pieces, notes at moments of a lecture, and the count that offline leases build on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('video_upload',
        sa.Column('lecture_id', sa.Integer(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=160), nullable=False),
        sa.Column('size_bytes', sa.BigInteger(), nullable=False),
        sa.Column('modified_ms', sa.BigInteger(), nullable=False),
        sa.Column('began_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('touched_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_video_upload_lecture_id_lecture')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_video_upload')),
        sa.UniqueConstraint('public_id', name=op.f('uq_video_upload_public_id')),
    )
    op.create_index(op.f('ix_video_upload_lecture_id'), 'video_upload', ['lecture_id'])
    op.create_index(op.f('ix_video_upload_account_id'), 'video_upload', ['account_id'])
    op.create_table('lecture_note',
        sa.Column('lecture_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('client_uuid', sa.String(length=80), nullable=True),
        sa.Column('at_s', sa.Integer(), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_lecture_note_lecture_id_lecture')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_lecture_note_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_lecture_note')),
        sa.UniqueConstraint('person_id', 'client_uuid', name=op.f('uq_lecture_note_person_id_client_uuid')),
        sa.UniqueConstraint('public_id', name=op.f('uq_lecture_note_public_id')),
    )
    op.create_index(op.f('ix_lecture_note_lecture_id'), 'lecture_note', ['lecture_id'])
    op.create_index(op.f('ix_lecture_note_person_id'), 'lecture_note', ['person_id'])
    op.add_column('lecture', sa.Column('chapters', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), server_default='[]', nullable=False))
    op.add_column('watch_purse', sa.Column('counted_s', sa.BigInteger(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('watch_purse', 'counted_s')
    op.drop_column('lecture', 'chapters')
    for table in ('lecture_note', 'video_upload'):
        op.drop_table(table)
