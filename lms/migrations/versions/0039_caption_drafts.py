"""courses: captions that a speech recogniser drafts

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = '0039'
down_revision = '0038'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "caption_draft",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=12), nullable=False),
        sa.Column("lecture_id", sa.Integer(), nullable=False),
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("lang", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("progress_percent", sa.Integer(), nullable=False),
        sa.Column("refusal", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Integer(), nullable=True),
        sa.Column("lease_owner", sa.String(length=80), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.String(length=400), nullable=True),
        sa.ForeignKeyConstraint(["lecture_id"], ["lecture.id"], name=op.f("fk_caption_draft_lecture_id_lecture")),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=op.f("fk_caption_draft_video_id_video")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption_draft")),
        sa.UniqueConstraint("lecture_id", "lang", name=op.f("uq_caption_draft_lecture_id_lang")),
        sa.UniqueConstraint("public_id", name=op.f("uq_caption_draft_public_id")),
    )
    op.create_index(op.f("ix_caption_draft_state"), "caption_draft", ["state"])


def downgrade() -> None:
    op.drop_index(op.f("ix_caption_draft_state"), "caption_draft")
    op.drop_table("caption_draft")
