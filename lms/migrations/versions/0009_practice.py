"""practice: checkpoints, rounds, answers, cards

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

APPEND_ONLY = ("practice_answer", "card_review")
TABLES = ('card_review', 'deck_made', 'card_source', 'practice_answer', 'card', 'question_equivalent', 'practice_round', 'checkpoint')


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


def from_practice(table: str) -> list[sa.schema.SchemaItem]:
    """Columns and constraints of a row about a question of a practice bank."""
    return [
        sa.Column('question_id', sa.Integer(), nullable=False),
        sa.Column('bank_id', sa.Integer(), nullable=False),
        sa.Column('purpose', sa.String(length=10), nullable=False),
        sa.CheckConstraint("purpose = 'practice'", name=op.f(f'ck_{table}_purpose')),
        sa.ForeignKeyConstraint(['question_id', 'bank_id'], ['question.id', 'question.bank_id'], name=op.f(f'fk_{table}_question_id_bank_id_question')),
        sa.ForeignKeyConstraint(['bank_id', 'purpose'], ['item_bank.id', 'item_bank.purpose'], name=op.f(f'fk_{table}_bank_id_purpose_item_bank')),
    ]


def with_id(table: str) -> list[sa.schema.SchemaItem]:
    """Key and public id."""
    return [
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('public_id', name=op.f(f'uq_{table}_public_id')),
    ]


def of(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    """A foreign key of one column."""
    return sa.ForeignKeyConstraint([column], [f'{other}.id'], name=op.f(f'fk_{table}_{column}_{other}'))


def upgrade() -> None:
    op.create_index('ux_item_bank_purpose', 'item_bank', ['id', 'purpose'], unique=True)
    op.create_index('ux_question_bank', 'question', ['id', 'bank_id'], unique=True)
    op.create_table('checkpoint',
        sa.Column('lecture_id', sa.Integer(), nullable=False),
        sa.Column('at_s', sa.Integer(), nullable=True),
        sa.Column('is_required', sa.Boolean(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('placed_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint('at_s >= 0', name=op.f('ck_checkpoint_at_s')),
        of('checkpoint', 'lecture_id', 'lecture'),
        sa.UniqueConstraint('lecture_id', 'question_id', name=op.f('uq_checkpoint_lecture_id_question_id')),
        *with_id('checkpoint'),
        *from_practice('checkpoint'),
    )
    op.create_table('practice_round',
        sa.Column('enrolment_id', sa.Integer(), nullable=False),
        sa.Column('trainee_person_id', sa.Integer(), nullable=False),
        sa.Column('topic', sa.String(length=120), nullable=False),
        sa.Column('questions', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column('with_certainty', sa.Boolean(), nullable=False),
        sa.Column('client_uuid', sa.String(length=64), nullable=False),
        sa.Column('begun_at', sa.DateTime(timezone=True), nullable=False),
        of('practice_round', 'enrolment_id', 'enrolment'),
        of('practice_round', 'trainee_person_id', 'person'),
        sa.UniqueConstraint('trainee_person_id', 'client_uuid', name=op.f('uq_practice_round_trainee_person_id_client_uuid')),
        *with_id('practice_round'),
    )
    op.create_index(op.f('ix_practice_round_enrolment_id'), 'practice_round', ['enrolment_id'])
    op.create_table('question_equivalent',
        sa.Column('exam_question_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        of('question_equivalent', 'exam_question_id', 'question'),
        sa.PrimaryKeyConstraint('exam_question_id', name=op.f('pk_question_equivalent')),
        *from_practice('question_equivalent'),
    )
    op.create_table('card',
        sa.Column('enrolment_id', sa.Integer(), nullable=False),
        sa.Column('trainee_person_id', sa.Integer(), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True),
        of('card', 'enrolment_id', 'enrolment'),
        of('card', 'trainee_person_id', 'person'),
        sa.UniqueConstraint('trainee_person_id', 'question_id', name=op.f('uq_card_trainee_person_id_question_id')),
        *with_id('card'),
        *from_practice('card'),
    )
    op.create_index('ix_card_due', 'card', ['trainee_person_id', 'due_at'])
    op.create_table('practice_answer',
        sa.Column('enrolment_id', sa.Integer(), nullable=False),
        sa.Column('trainee_person_id', sa.Integer(), nullable=False),
        sa.Column('version_id', sa.Integer(), nullable=False),
        sa.Column('key_revision_id', sa.Integer(), nullable=False),
        sa.Column('responses', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column('score', sa.String(length=40), nullable=False),
        sa.Column('maximum', sa.String(length=40), nullable=False),
        sa.Column('certainty', sa.Integer(), nullable=True),
        sa.Column('client_uuid', sa.String(length=64), nullable=False),
        sa.Column('round_id', sa.Integer(), nullable=True),
        sa.Column('checkpoint_id', sa.Integer(), nullable=True),
        sa.Column('card_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('certainty IN (1, 2, 3)', name=op.f('ck_practice_answer_certainty')),
        sa.CheckConstraint(
            'CASE WHEN round_id IS NULL THEN 0 ELSE 1 END + CASE WHEN checkpoint_id IS NULL THEN 0 ELSE 1 END'
            ' + CASE WHEN card_id IS NULL THEN 0 ELSE 1 END = 1', name=op.f('ck_practice_answer_occasion')),
        of('practice_answer', 'enrolment_id', 'enrolment'),
        of('practice_answer', 'trainee_person_id', 'person'),
        of('practice_answer', 'version_id', 'question_version'),
        of('practice_answer', 'key_revision_id', 'key_revision'),
        of('practice_answer', 'round_id', 'practice_round'),
        of('practice_answer', 'checkpoint_id', 'checkpoint'),
        of('practice_answer', 'card_id', 'card'),
        sa.UniqueConstraint('trainee_person_id', 'client_uuid', name=op.f('uq_practice_answer_trainee_person_id_client_uuid')),
        sa.UniqueConstraint('round_id', 'question_id', name=op.f('uq_practice_answer_round_id_question_id')),
        *with_id('practice_answer'),
        *from_practice('practice_answer'),
    )
    op.create_index(op.f('ix_practice_answer_checkpoint_id'), 'practice_answer', ['checkpoint_id'])
    op.create_index('ix_practice_answer_own', 'practice_answer', ['trainee_person_id', 'at'])
    op.create_table('card_source',
        sa.Column('card_id', sa.Integer(), nullable=False),
        sa.Column('sitting_id', sa.Integer(), nullable=False),
        of('card_source', 'card_id', 'card'),
        of('card_source', 'sitting_id', 'sitting'),
        sa.PrimaryKeyConstraint('card_id', 'sitting_id', name=op.f('pk_card_source')),
    )
    op.create_index(op.f('ix_card_source_sitting_id'), 'card_source', ['sitting_id'])
    op.create_table('deck_made',
        sa.Column('sitting_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('grade_id', sa.Integer(), nullable=False),
        of('deck_made', 'sitting_id', 'sitting'),
        of('deck_made', 'grade_id', 'grade'),
        sa.PrimaryKeyConstraint('sitting_id', name=op.f('pk_deck_made')),
    )
    op.create_table('card_review',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('card_id', sa.Integer(), nullable=False),
        sa.Column('trainee_person_id', sa.Integer(), nullable=False),
        sa.Column('answer_id', sa.Integer(), nullable=True),
        sa.Column('rating', sa.Integer(), nullable=True),
        sa.Column('undoes_id', sa.Integer(), nullable=True),
        sa.Column('state', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('rating IN (1, 2, 3, 4)', name=op.f('ck_card_review_rating')),
        sa.CheckConstraint('(rating IS NULL) = (answer_id IS NULL)', name=op.f('ck_card_review_answer')),
        sa.CheckConstraint('(rating IS NULL) <> (undoes_id IS NULL)', name=op.f('ck_card_review_act')),
        of('card_review', 'card_id', 'card'),
        of('card_review', 'trainee_person_id', 'person'),
        of('card_review', 'answer_id', 'practice_answer'),
        of('card_review', 'undoes_id', 'card_review'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_card_review')),
        sa.UniqueConstraint('answer_id', name=op.f('uq_card_review_answer_id')),
        sa.UniqueConstraint('undoes_id', name=op.f('uq_card_review_undoes_id')),
    )
    op.create_index(op.f('ix_card_review_card_id'), 'card_review', ['card_id'])
    op.create_index('ix_card_review_own', 'card_review', ['trainee_person_id', 'at'])
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
    for table in TABLES:
        op.drop_table(table)
    op.drop_index('ux_question_bank', table_name='question')
    op.drop_index('ux_item_bank_purpose', table_name='item_bank')
