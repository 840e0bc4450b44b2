"""courses: how often parts of a film are watched again, counted without names

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'replay',
        sa.Column('video_id', sa.Integer(), nullable=False),
        sa.Column('bin', sa.Integer(), nullable=False),
        sa.Column('times', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['video_id'], ['video.id'], name=op.f('fk_replay_video_id_video')),
        sa.PrimaryKeyConstraint('video_id', 'bin', name=op.f('pk_replay')),
    )
    op.add_column('watch_session', sa.Column('known_bins', sa.LargeBinary(), nullable=True))
    op.add_column('watch_session', sa.Column('again_bins', sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('watch_session') as batch:
        batch.drop_column('again_bins')
        batch.drop_column('known_bins')
    op.drop_table('replay')
