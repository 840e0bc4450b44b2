"""course authoring: units, wordings and their review, sources, release, calendar, discussion, search

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

APPEND_ONLY = ('wording', 'wording_review', 'unit_done')


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
    op.create_table('calendar_feed',
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('secret_sha256', sa.String(length=64), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_calendar_feed_account_id_account')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_calendar_feed')),
        sa.UniqueConstraint('public_id', name=op.f('uq_calendar_feed_public_id')),
        sa.UniqueConstraint('secret_sha256', name=op.f('uq_calendar_feed_secret_sha256'))
    )
    op.create_index(op.f('ix_calendar_feed_account_id'), 'calendar_feed', ['account_id'], unique=False)
    op.create_table('source',
        sa.Column('programme_id', sa.Integer(), nullable=False),
        sa.Column('title', sa.String(length=240), nullable=False),
        sa.Column('edition', sa.String(length=80), nullable=False),
        sa.Column('url', sa.String(length=400), nullable=False),
        sa.Column('changed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('change', sa.String(length=400), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_source_programme_id_programme')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_source')),
        sa.UniqueConstraint('public_id', name=op.f('uq_source_public_id'))
    )
    op.create_index(op.f('ix_source_programme_id'), 'source', ['programme_id'], unique=False)
    op.create_table('announcement',
        sa.Column('cohort_id', sa.Integer(), nullable=False),
        sa.Column('title', sa.String(length=160), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.Column('client_uuid', sa.String(length=80), nullable=True),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_announcement_cohort_id_cohort')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_announcement_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_announcement')),
        sa.UniqueConstraint('client_uuid', name=op.f('uq_announcement_client_uuid')),
        sa.UniqueConstraint('public_id', name=op.f('uq_announcement_public_id'))
    )
    op.create_index(op.f('ix_announcement_cohort_id'), 'announcement', ['cohort_id'], unique=False)
    op.create_table('course_file',
        sa.Column('course_id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=8), nullable=False),
        sa.Column('name', sa.String(length=160), nullable=False),
        sa.Column('key', sa.String(length=160), nullable=False),
        sa.Column('size_bytes', sa.BigInteger(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('alt_zh', sa.String(length=300), nullable=False),
        sa.Column('alt_en', sa.String(length=300), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_course_file_course_id_course')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_course_file')),
        sa.UniqueConstraint('public_id', name=op.f('uq_course_file_public_id'))
    )
    op.create_index(op.f('ix_course_file_course_id'), 'course_file', ['course_id'], unique=False)
    op.create_table('search_entry',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=12), nullable=False),
        sa.Column('thing_id', sa.Integer(), nullable=False),
        sa.Column('lang', sa.String(length=12), nullable=False),
        sa.Column('course_id', sa.Integer(), nullable=False),
        sa.Column('title', sa.String(length=330), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_search_entry_course_id_course')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_search_entry')),
        sa.UniqueConstraint('kind', 'thing_id', 'lang', name=op.f('uq_search_entry_kind_thing_id_lang'))
    )
    op.create_index(op.f('ix_search_entry_course_id'), 'search_entry', ['course_id'], unique=False)
    op.create_table('search_term',
        sa.Column('term', sa.String(length=40), nullable=False),
        sa.Column('entry_id', sa.Integer(), nullable=False),
        sa.Column('weight', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['entry_id'], ['search_entry.id'], name=op.f('fk_search_term_entry_id_search_entry')),
        sa.PrimaryKeyConstraint('term', 'entry_id', name=op.f('pk_search_term'))
    )
    op.create_index('ix_search_term_entry_id', 'search_term', ['entry_id'], unique=False)
    op.create_table('unit',
        sa.Column('module_id', sa.Integer(), nullable=False),
        sa.Column('cohort_id', sa.Integer(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=12), nullable=False),
        sa.Column('title_zh', sa.String(length=160), nullable=False),
        sa.Column('title_en', sa.String(length=160), nullable=False),
        sa.Column('body_zh', sa.String(), nullable=False),
        sa.Column('body_en', sa.String(), nullable=False),
        sa.Column('state', sa.String(length=12), nullable=False),
        sa.Column('test_ref', sa.String(length=12), nullable=False),
        sa.Column('file_id', sa.Integer(), nullable=True),
        sa.Column('is_sample', sa.Boolean(), nullable=False),
        sa.Column('client_uuid', sa.String(length=80), nullable=True),
        sa.Column('release', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column('reviewed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('review_due_on', sa.Date(), nullable=True),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint("kind IN ('page', 'file', 'test', 'checkpoint')", name=op.f('ck_unit_kind')),
        sa.CheckConstraint("state IN ('draft', 'published')", name=op.f('ck_unit_state')),
        sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_unit_cohort_id_cohort')),
        sa.ForeignKeyConstraint(['file_id'], ['course_file.id'], name=op.f('fk_unit_file_id_course_file')),
        sa.ForeignKeyConstraint(['module_id'], ['module.id'], name=op.f('fk_unit_module_id_module')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_unit')),
        sa.UniqueConstraint('client_uuid', name=op.f('uq_unit_client_uuid')),
        sa.UniqueConstraint('module_id', 'number', name=op.f('uq_unit_module_id_number')),
        sa.UniqueConstraint('public_id', name=op.f('uq_unit_public_id'))
    )
    op.create_index(op.f('ix_unit_cohort_id'), 'unit', ['cohort_id'], unique=False)
    op.create_index(op.f('ix_unit_module_id'), 'unit', ['module_id'], unique=False)
    op.create_table('post',
        sa.Column('lecture_id', sa.Integer(), nullable=False),
        sa.Column('parent_id', sa.Integer(), nullable=True),
        sa.Column('at_s', sa.Integer(), nullable=True),
        sa.Column('text', sa.String(), nullable=False),
        sa.Column('client_uuid', sa.String(length=80), nullable=True),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('answer_marked_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('hidden_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('hidden_why', sa.String(length=200), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_post_lecture_id_lecture')),
        sa.ForeignKeyConstraint(['parent_id'], ['post.id'], name=op.f('fk_post_parent_id_post')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_post_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_post')),
        sa.UniqueConstraint('client_uuid', name=op.f('uq_post_client_uuid')),
        sa.UniqueConstraint('public_id', name=op.f('uq_post_public_id'))
    )
    op.create_index('ix_post_lecture', 'post', ['lecture_id', 'id'], unique=False)
    op.create_table('source_use',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('source_id', sa.Integer(), nullable=False),
        sa.Column('lecture_id', sa.Integer(), nullable=True),
        sa.Column('unit_id', sa.Integer(), nullable=True),
        sa.CheckConstraint('(lecture_id IS NULL) <> (unit_id IS NULL)', name=op.f('ck_source_use_thing')),
        sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_source_use_lecture_id_lecture')),
        sa.ForeignKeyConstraint(['source_id'], ['source.id'], name=op.f('fk_source_use_source_id_source')),
        sa.ForeignKeyConstraint(['unit_id'], ['unit.id'], name=op.f('fk_source_use_unit_id_unit')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_source_use')),
        sa.UniqueConstraint('source_id', 'lecture_id', name=op.f('uq_source_use_source_id_lecture_id')),
        sa.UniqueConstraint('source_id', 'unit_id', name=op.f('uq_source_use_source_id_unit_id'))
    )
    op.create_index(op.f('ix_source_use_lecture_id'), 'source_use', ['lecture_id'], unique=False)
    op.create_index(op.f('ix_source_use_unit_id'), 'source_use', ['unit_id'], unique=False)
    op.create_table('unit_done',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('enrolment_id', sa.Integer(), nullable=False),
        sa.Column('unit_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_unit_done_enrolment_id_enrolment')),
        sa.ForeignKeyConstraint(['unit_id'], ['unit.id'], name=op.f('fk_unit_done_unit_id_unit')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_unit_done')),
        sa.UniqueConstraint('enrolment_id', 'unit_id', name=op.f('uq_unit_done_enrolment_id_unit_id'))
    )
    op.create_index(op.f('ix_unit_done_unit_id'), 'unit_done', ['unit_id'], unique=False)
    op.create_table('wording',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('lecture_id', sa.Integer(), nullable=True),
        sa.Column('unit_id', sa.Integer(), nullable=True),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('content', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('person_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('(lecture_id IS NULL) <> (unit_id IS NULL)', name=op.f('ck_wording_thing')),
        sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_wording_lecture_id_lecture')),
        sa.ForeignKeyConstraint(['unit_id'], ['unit.id'], name=op.f('fk_wording_unit_id_unit')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_wording')),
        sa.UniqueConstraint('lecture_id', 'number', name=op.f('uq_wording_lecture_id_number')),
        sa.UniqueConstraint('unit_id', 'number', name=op.f('uq_wording_unit_id_number'))
    )
    op.create_table('wording_review',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('wording_id', sa.Integer(), nullable=False),
        sa.Column('act', sa.String(length=8), nullable=False),
        sa.Column('words', sa.String(length=600), nullable=False),
        sa.Column('due_on', sa.Date(), nullable=True),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('person_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("act IN ('submit', 'approve', 'return')", name=op.f('ck_wording_review_act')),
        sa.ForeignKeyConstraint(['wording_id'], ['wording.id'], name=op.f('fk_wording_review_wording_id_wording')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_wording_review'))
    )
    op.create_index(op.f('ix_wording_review_wording_id'), 'wording_review', ['wording_id'], unique=False)
    op.add_column('course', sa.Column('needs_review', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('course', sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('lecture', sa.Column('release', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True))
    op.add_column('lecture', sa.Column('reviewed_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('lecture', sa.Column('review_due_on', sa.Date(), nullable=True))
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
    op.drop_column('lecture', 'review_due_on')
    op.drop_column('lecture', 'reviewed_at')
    op.drop_column('lecture', 'release')
    op.drop_column('course', 'archived_at')
    op.drop_column('course', 'needs_review')
    op.drop_index(op.f('ix_wording_review_wording_id'), table_name='wording_review')
    op.drop_table('wording_review')
    op.drop_table('wording')
    op.drop_index(op.f('ix_unit_done_unit_id'), table_name='unit_done')
    op.drop_table('unit_done')
    op.drop_index(op.f('ix_source_use_unit_id'), table_name='source_use')
    op.drop_index(op.f('ix_source_use_lecture_id'), table_name='source_use')
    op.drop_table('source_use')
    op.drop_index('ix_post_lecture', table_name='post')
    op.drop_table('post')
    op.drop_index(op.f('ix_unit_module_id'), table_name='unit')
    op.drop_index(op.f('ix_unit_cohort_id'), table_name='unit')
    op.drop_table('unit')
    op.drop_index('ix_search_term_entry_id', table_name='search_term')
    op.drop_table('search_term')
    op.drop_index(op.f('ix_search_entry_course_id'), table_name='search_entry')
    op.drop_table('search_entry')
    op.drop_index(op.f('ix_course_file_course_id'), table_name='course_file')
    op.drop_table('course_file')
    op.drop_index(op.f('ix_announcement_cohort_id'), table_name='announcement')
    op.drop_table('announcement')
    op.drop_index(op.f('ix_source_programme_id'), table_name='source')
    op.drop_table('source')
    op.drop_index(op.f('ix_calendar_feed_account_id'), table_name='calendar_feed')
    op.drop_table('calendar_feed')
