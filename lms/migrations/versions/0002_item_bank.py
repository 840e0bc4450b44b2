"""item bank: states, reviews, media, imports; pauses

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

NEW_APPEND_ONLY = ("question_event",)


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


def unguard(table: str) -> None:
    """Let a table be changed again."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{verb}")
        return
    op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
    op.execute(f"DROP TRIGGER {table}_no_change ON {table}")
    op.execute(f"DROP FUNCTION {table}_refuse()")


def clock_kinds(kinds: tuple[str, ...]) -> None:
    """The kinds of clock events that the database lets in."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    if op.get_bind().dialect.name == "sqlite":
        # SQLite changes a constraint by making the table anew, and its triggers go with the old one.
        unguard("clock_event")
        with op.batch_alter_table("clock_event") as batch:
            batch.drop_constraint(op.f("ck_clock_event_kind"), type_="check")
            batch.create_check_constraint(op.f("ck_clock_event_kind"), f"kind IN ({listed})")
        guard("clock_event")
        return
    op.drop_constraint(op.f("ck_clock_event_kind"), "clock_event", type_="check")
    op.create_check_constraint(op.f("ck_clock_event_kind"), "clock_event", f"kind IN ({listed})")


def texts(part: Any) -> Iterator[str]:
    """All texts of an item, in both languages."""
    if isinstance(part, dict):
        yield from (part[language] for language in ("zh", "en") if part.get(language))
        part = [value for name, value in part.items() if name not in {"zh", "en"}]
    if isinstance(part, list):
        for value in part:
            yield from texts(value)


def fill_words() -> None:
    """What the questions of 0.1.0 are found by."""
    version = sa.table("question_version", sa.column("question_id"), sa.column("n"), sa.column("body", sa.JSON()))
    question = sa.table("question", sa.column("id"), sa.column("words"))
    bind = op.get_bind()
    for row in bind.execute(sa.select(version.c.question_id, version.c.body).order_by(version.c.n)).all():
        words = "\n".join(texts(row.body)).lower()
        bind.execute(question.update().where(question.c.id == row.question_id).values(words=words))


def upgrade() -> None:
    op.add_column('question', sa.Column('state', sa.String(length=20), nullable=False, server_default='live'))
    op.add_column('question', sa.Column('live_n', sa.Integer(), nullable=True))
    op.add_column('question', sa.Column('topic', sa.String(length=120), nullable=False, server_default=''))
    op.add_column('question', sa.Column('cognitive', sa.String(length=20), nullable=False, server_default=''))
    op.add_column('question', sa.Column('difficulty', sa.Integer(), nullable=True))
    op.add_column('question', sa.Column('review_due', sa.Date(), nullable=True))
    op.add_column('question', sa.Column('review_note', sa.String(length=300), nullable=False, server_default=''))
    op.add_column('question', sa.Column('words', sa.Text(), nullable=False, server_default=''))
    op.add_column('question', sa.Column('changed_at', sa.DateTime(timezone=True), nullable=True))
    # Every question of 0.1.0 stands in a sealed form: it is in use.
    op.execute(
        "UPDATE question SET live_n = (SELECT max(n) FROM question_version v WHERE v.question_id = question.id), "
        "changed_at = (SELECT max(created_at) FROM question_version v WHERE v.question_id = question.id)"
    )
    fill_words()
    op.create_index('ix_question_state', 'question', ['bank_id', 'state'])
    op.add_column('question_version', sa.Column('author_person_id', sa.Integer(), nullable=True))
    op.add_column('key_revision', sa.Column('approval_id', sa.Integer(), nullable=True))

    op.create_table('question_tag',
        sa.Column('question_id', sa.Integer(), nullable=False),
        sa.Column('tag', sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(['question_id'], ['question.id'], name=op.f('fk_question_tag_question_id_question')),
        sa.PrimaryKeyConstraint('question_id', 'tag', name=op.f('pk_question_tag')),
    )
    op.create_index(op.f('ix_question_tag_tag'), 'question_tag', ['tag'])

    op.create_table('enemy_pair',
        sa.Column('low_id', sa.Integer(), nullable=False),
        sa.Column('high_id', sa.Integer(), nullable=False),
        sa.CheckConstraint('low_id < high_id', name=op.f('ck_enemy_pair_order')),
        sa.ForeignKeyConstraint(['high_id'], ['question.id'], name=op.f('fk_enemy_pair_high_id_question')),
        sa.ForeignKeyConstraint(['low_id'], ['question.id'], name=op.f('fk_enemy_pair_low_id_question')),
        sa.PrimaryKeyConstraint('low_id', 'high_id', name=op.f('pk_enemy_pair')),
    )
    op.create_index(op.f('ix_enemy_pair_high_id'), 'enemy_pair', ['high_id'])

    op.create_table('question_event',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('question_id', sa.Integer(), nullable=False),
        sa.Column('n', sa.Integer(), nullable=False),
        sa.Column('act', sa.String(length=20), nullable=False),
        sa.Column('words', sa.String(length=2000), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('person_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['question_id'], ['question.id'], name=op.f('fk_question_event_question_id_question')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_question_event')),
    )
    op.create_index(op.f('ix_question_event_question_id'), 'question_event', ['question_id'])

    op.create_table('item_media',
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('storage_key', sa.String(length=200), nullable=False),
        sa.Column('mime', sa.String(length=60), nullable=False),
        sa.Column('size_bytes', sa.Integer(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_item_media_programme_id_programme')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_item_media')),
        sa.UniqueConstraint('programme_id', 'sha256', name=op.f('uq_item_media_programme_id_sha256')),
        sa.UniqueConstraint('public_id', name=op.f('uq_item_media_public_id')),
    )

    op.create_table('item_import',
        sa.Column('bank_id', sa.Integer(), nullable=False),
        sa.Column('filename', sa.String(length=200), nullable=False),
        sa.Column('storage_key', sa.String(length=200), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint("state IN ('open', 'imported', 'discarded')", name=op.f('ck_item_import_state')),
        sa.ForeignKeyConstraint(['bank_id'], ['item_bank.id'], name=op.f('fk_item_import_bank_id_item_bank')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_item_import')),
        sa.UniqueConstraint('public_id', name=op.f('uq_item_import_public_id')),
    )
    op.create_index(op.f('ix_item_import_bank_id'), 'item_import', ['bank_id'])

    for table in NEW_APPEND_ONLY:
        guard(table)
    clock_kinds(('start', 'extend', 'pause', 'resume'))


def downgrade() -> None:
    clock_kinds(('start', 'extend'))
    for table in NEW_APPEND_ONLY:
        unguard(table)
    for table in ('item_import', 'item_media', 'question_event', 'enemy_pair', 'question_tag'):
        op.drop_table(table)
    op.drop_index('ix_question_state', 'question')
    op.drop_column('key_revision', 'approval_id')
    op.drop_column('question_version', 'author_person_id')
    for column in ('changed_at', 'words', 'review_note', 'review_due', 'difficulty', 'cognitive', 'topic', 'live_n', 'state'):
        op.drop_column('question', column)
