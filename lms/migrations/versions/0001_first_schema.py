"""the first schema

Revision ID: 0001
Revises: 
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_event BEGIN SELECT RAISE(ABORT, 'audit_event is append-only'); END",
        "CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event BEGIN SELECT RAISE(ABORT, 'audit_event is append-only'); END",
        "CREATE TRIGGER audit_root_no_update BEFORE UPDATE ON audit_root BEGIN SELECT RAISE(ABORT, 'audit_root is append-only'); END",
        "CREATE TRIGGER audit_root_no_delete BEFORE DELETE ON audit_root BEGIN SELECT RAISE(ABORT, 'audit_root is append-only'); END",
        "CREATE TRIGGER question_version_no_update BEFORE UPDATE ON question_version BEGIN SELECT RAISE(ABORT, 'question_version is append-only'); END",
        "CREATE TRIGGER question_version_no_delete BEFORE DELETE ON question_version BEGIN SELECT RAISE(ABORT, 'question_version is append-only'); END",
        "CREATE TRIGGER key_revision_no_update BEFORE UPDATE ON key_revision BEGIN SELECT RAISE(ABORT, 'key_revision is append-only'); END",
        "CREATE TRIGGER key_revision_no_delete BEFORE DELETE ON key_revision BEGIN SELECT RAISE(ABORT, 'key_revision is append-only'); END",
        "CREATE TRIGGER exam_form_no_update BEFORE UPDATE ON exam_form BEGIN SELECT RAISE(ABORT, 'exam_form is append-only'); END",
        "CREATE TRIGGER exam_form_no_delete BEFORE DELETE ON exam_form BEGIN SELECT RAISE(ABORT, 'exam_form is append-only'); END",
        "CREATE TRIGGER clock_event_no_update BEFORE UPDATE ON clock_event BEGIN SELECT RAISE(ABORT, 'clock_event is append-only'); END",
        "CREATE TRIGGER clock_event_no_delete BEFORE DELETE ON clock_event BEGIN SELECT RAISE(ABORT, 'clock_event is append-only'); END",
        "CREATE TRIGGER response_event_no_update BEFORE UPDATE ON response_event BEGIN SELECT RAISE(ABORT, 'response_event is append-only'); END",
        "CREATE TRIGGER response_event_no_delete BEFORE DELETE ON response_event BEGIN SELECT RAISE(ABORT, 'response_event is append-only'); END",
        "CREATE TRIGGER grade_run_no_update BEFORE UPDATE ON grade_run BEGIN SELECT RAISE(ABORT, 'grade_run is append-only'); END",
        "CREATE TRIGGER grade_run_no_delete BEFORE DELETE ON grade_run BEGIN SELECT RAISE(ABORT, 'grade_run is append-only'); END",
        "CREATE TRIGGER mark_no_update BEFORE UPDATE ON mark BEGIN SELECT RAISE(ABORT, 'mark is append-only'); END",
        "CREATE TRIGGER mark_no_delete BEFORE DELETE ON mark BEGIN SELECT RAISE(ABORT, 'mark is append-only'); END",
        "CREATE TRIGGER grade_no_update BEFORE UPDATE ON grade BEGIN SELECT RAISE(ABORT, 'grade is append-only'); END",
        "CREATE TRIGGER grade_no_delete BEFORE DELETE ON grade BEGIN SELECT RAISE(ABORT, 'grade is append-only'); END",
        "CREATE TRIGGER certificate_rule_version_no_update BEFORE UPDATE ON certificate_rule_version BEGIN SELECT RAISE(ABORT, 'certificate_rule_version is append-only'); END",
        "CREATE TRIGGER certificate_rule_version_no_delete BEFORE DELETE ON certificate_rule_version BEGIN SELECT RAISE(ABORT, 'certificate_rule_version is append-only'); END",
        "CREATE TRIGGER certificate_no_update BEFORE UPDATE ON certificate WHEN NOT COALESCE((NEW.serial = OLD.serial AND NEW.enrolment_id = OLD.enrolment_id AND NEW.person_id = OLD.person_id AND NEW.kind = OLD.kind AND NEW.edition = OLD.edition AND NEW.facts = OLD.facts AND NEW.facts_sha256 = OLD.facts_sha256 AND NEW.trace = OLD.trace AND NEW.verify_key = OLD.verify_key AND (OLD.pdf_sha256 IS NULL OR (NEW.pdf_sha256 = OLD.pdf_sha256 AND NEW.pdf_key = OLD.pdf_key)) AND (NEW.state = OLD.state OR (OLD.state = 'reserved' AND NEW.state = 'good') OR (OLD.state = 'good' AND NEW.state IN ('revoked', 'superseded')))), 0) BEGIN SELECT RAISE(ABORT, 'certificate is append-only'); END",
        "CREATE TRIGGER certificate_no_delete BEFORE DELETE ON certificate BEGIN SELECT RAISE(ABORT, 'certificate is append-only'); END",
        "CREATE TRIGGER lecture_completion_no_update BEFORE UPDATE ON lecture_completion BEGIN SELECT RAISE(ABORT, 'lecture_completion is append-only'); END",
        "CREATE TRIGGER lecture_completion_no_delete BEFORE DELETE ON lecture_completion BEGIN SELECT RAISE(ABORT, 'lecture_completion is append-only'); END",
        "CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry WHEN NOT COALESCE((NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.enrolment_id = OLD.enrolment_id AND NEW.cohort_id = OLD.cohort_id AND NEW.author_person_id = OLD.author_person_id AND NEW.author_account_id = OLD.author_account_id AND NEW.client_uuid = OLD.client_uuid AND NEW.created_at = OLD.created_at AND ((OLD.state = 'countersigned' AND NEW.state = 'superseded') OR (OLD.state = 'countersigned' AND NEW.state = 'voided') OR (OLD.state = 'declined' AND NEW.state = 'lapsed') OR (OLD.state = 'declined' AND NEW.state = 'submitted') OR (OLD.state = 'draft' AND NEW.state = 'discarded') OR (OLD.state = 'draft' AND NEW.state = 'lapsed') OR (OLD.state = 'draft' AND NEW.state = 'submitted') OR (OLD.state = 'returned' AND NEW.state = 'lapsed') OR (OLD.state = 'returned' AND NEW.state = 'submitted') OR (OLD.state = 'signed' AND NEW.state = 'countersigned') OR (OLD.state = 'signed' AND NEW.state = 'superseded') OR (OLD.state = 'signed' AND NEW.state = 'voided') OR (OLD.state = 'submitted' AND NEW.state = 'declined') OR (OLD.state = 'submitted' AND NEW.state = 'draft') OR (OLD.state = 'submitted' AND NEW.state = 'lapsed') OR (OLD.state = 'submitted' AND NEW.state = 'returned') OR (OLD.state = 'submitted' AND NEW.state = 'signed') OR (NEW.state = OLD.state AND OLD.state IN ('declined', 'draft', 'returned', 'submitted'))) AND (OLD.state IN ('declined', 'draft', 'returned') OR (NEW.placement_id = OLD.placement_id AND NEW.unit = OLD.unit AND NEW.item_id = OLD.item_id AND NEW.performed_on = OLD.performed_on AND NEW.content = OLD.content AND NEW.revision_no = OLD.revision_no AND NEW.late = OLD.late AND COALESCE(NEW.signer_person_id, 0) = COALESCE(OLD.signer_person_id, 0) AND (NEW.signer_person_id IS NULL) = (OLD.signer_person_id IS NULL) AND COALESCE(NEW.first_submitted_at, NEW.created_at) = COALESCE(OLD.first_submitted_at, OLD.created_at) AND (NEW.first_submitted_at IS NULL) = (OLD.first_submitted_at IS NULL) AND COALESCE(NEW.submitted_at, NEW.created_at) = COALESCE(OLD.submitted_at, OLD.created_at) AND (NEW.submitted_at IS NULL) = (OLD.submitted_at IS NULL))) AND (OLD.state IN ('declined', 'draft', 'returned', 'submitted') OR (COALESCE(NEW.opened_at, NEW.created_at) = COALESCE(OLD.opened_at, OLD.created_at) AND (NEW.opened_at IS NULL) = (OLD.opened_at IS NULL) AND COALESCE(NEW.decided_at, NEW.created_at) = COALESCE(OLD.decided_at, OLD.created_at) AND (NEW.decided_at IS NULL) = (OLD.decided_at IS NULL))) AND (NEW.state <> 'submitted' OR EXISTS (SELECT 1 FROM entry_revision r WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no)) AND (NEW.state <> 'signed' OR EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND s.kind = 'sign')) AND (NEW.state <> 'countersigned' OR EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND s.kind = 'countersign'))), 0) BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END",
        "CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END",
        "CREATE TRIGGER entry_revision_no_update BEFORE UPDATE ON entry_revision BEGIN SELECT RAISE(ABORT, 'entry_revision is append-only'); END",
        "CREATE TRIGGER entry_revision_no_delete BEFORE DELETE ON entry_revision BEGIN SELECT RAISE(ABORT, 'entry_revision is append-only'); END",
        "CREATE TRIGGER entry_signature_no_update BEFORE UPDATE ON entry_signature BEGIN SELECT RAISE(ABORT, 'entry_signature is append-only'); END",
        "CREATE TRIGGER entry_signature_no_delete BEFORE DELETE ON entry_signature BEGIN SELECT RAISE(ABORT, 'entry_signature is append-only'); END",
        "CREATE TRIGGER entry_return_no_update BEFORE UPDATE ON entry_return BEGIN SELECT RAISE(ABORT, 'entry_return is append-only'); END",
        "CREATE TRIGGER entry_return_no_delete BEFORE DELETE ON entry_return BEGIN SELECT RAISE(ABORT, 'entry_return is append-only'); END",
        "CREATE TRIGGER approval_no_update BEFORE UPDATE ON approval WHEN NOT COALESCE((OLD.state = 'open' AND NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.kind = OLD.kind AND NEW.subject = OLD.subject AND NEW.scope = OLD.scope AND NEW.payload = OLD.payload AND NEW.payload_sha256 = OLD.payload_sha256 AND NEW.reason = OLD.reason AND NEW.proposed_by_account_id = OLD.proposed_by_account_id AND NEW.proposed_by_person_id = OLD.proposed_by_person_id AND NEW.proposed_at = OLD.proposed_at), 0) BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END",
        "CREATE TRIGGER approval_no_delete BEFORE DELETE ON approval BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'audit_event is append-only'; END $$",
        'CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_event_refuse()',
        'CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION audit_event_refuse()',
        "CREATE FUNCTION audit_root_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'audit_root is append-only'; END $$",
        'CREATE TRIGGER audit_root_no_change BEFORE UPDATE OR DELETE ON audit_root FOR EACH ROW EXECUTE FUNCTION audit_root_refuse()',
        'CREATE TRIGGER audit_root_no_truncate BEFORE TRUNCATE ON audit_root FOR EACH STATEMENT EXECUTE FUNCTION audit_root_refuse()',
        "CREATE FUNCTION question_version_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'question_version is append-only'; END $$",
        'CREATE TRIGGER question_version_no_change BEFORE UPDATE OR DELETE ON question_version FOR EACH ROW EXECUTE FUNCTION question_version_refuse()',
        'CREATE TRIGGER question_version_no_truncate BEFORE TRUNCATE ON question_version FOR EACH STATEMENT EXECUTE FUNCTION question_version_refuse()',
        "CREATE FUNCTION key_revision_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'key_revision is append-only'; END $$",
        'CREATE TRIGGER key_revision_no_change BEFORE UPDATE OR DELETE ON key_revision FOR EACH ROW EXECUTE FUNCTION key_revision_refuse()',
        'CREATE TRIGGER key_revision_no_truncate BEFORE TRUNCATE ON key_revision FOR EACH STATEMENT EXECUTE FUNCTION key_revision_refuse()',
        "CREATE FUNCTION exam_form_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'exam_form is append-only'; END $$",
        'CREATE TRIGGER exam_form_no_change BEFORE UPDATE OR DELETE ON exam_form FOR EACH ROW EXECUTE FUNCTION exam_form_refuse()',
        'CREATE TRIGGER exam_form_no_truncate BEFORE TRUNCATE ON exam_form FOR EACH STATEMENT EXECUTE FUNCTION exam_form_refuse()',
        "CREATE FUNCTION clock_event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'clock_event is append-only'; END $$",
        'CREATE TRIGGER clock_event_no_change BEFORE UPDATE OR DELETE ON clock_event FOR EACH ROW EXECUTE FUNCTION clock_event_refuse()',
        'CREATE TRIGGER clock_event_no_truncate BEFORE TRUNCATE ON clock_event FOR EACH STATEMENT EXECUTE FUNCTION clock_event_refuse()',
        "CREATE FUNCTION response_event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'response_event is append-only'; END $$",
        'CREATE TRIGGER response_event_no_change BEFORE UPDATE OR DELETE ON response_event FOR EACH ROW EXECUTE FUNCTION response_event_refuse()',
        'CREATE TRIGGER response_event_no_truncate BEFORE TRUNCATE ON response_event FOR EACH STATEMENT EXECUTE FUNCTION response_event_refuse()',
        "CREATE FUNCTION grade_run_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'grade_run is append-only'; END $$",
        'CREATE TRIGGER grade_run_no_change BEFORE UPDATE OR DELETE ON grade_run FOR EACH ROW EXECUTE FUNCTION grade_run_refuse()',
        'CREATE TRIGGER grade_run_no_truncate BEFORE TRUNCATE ON grade_run FOR EACH STATEMENT EXECUTE FUNCTION grade_run_refuse()',
        "CREATE FUNCTION mark_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'mark is append-only'; END $$",
        'CREATE TRIGGER mark_no_change BEFORE UPDATE OR DELETE ON mark FOR EACH ROW EXECUTE FUNCTION mark_refuse()',
        'CREATE TRIGGER mark_no_truncate BEFORE TRUNCATE ON mark FOR EACH STATEMENT EXECUTE FUNCTION mark_refuse()',
        "CREATE FUNCTION grade_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'grade is append-only'; END $$",
        'CREATE TRIGGER grade_no_change BEFORE UPDATE OR DELETE ON grade FOR EACH ROW EXECUTE FUNCTION grade_refuse()',
        'CREATE TRIGGER grade_no_truncate BEFORE TRUNCATE ON grade FOR EACH STATEMENT EXECUTE FUNCTION grade_refuse()',
        "CREATE FUNCTION certificate_rule_version_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'certificate_rule_version is append-only'; END $$",
        'CREATE TRIGGER certificate_rule_version_no_change BEFORE UPDATE OR DELETE ON certificate_rule_version FOR EACH ROW EXECUTE FUNCTION certificate_rule_version_refuse()',
        'CREATE TRIGGER certificate_rule_version_no_truncate BEFORE TRUNCATE ON certificate_rule_version FOR EACH STATEMENT EXECUTE FUNCTION certificate_rule_version_refuse()',
        "CREATE FUNCTION certificate_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF NEW.serial = OLD.serial AND NEW.enrolment_id = OLD.enrolment_id AND NEW.person_id = OLD.person_id AND NEW.kind = OLD.kind AND NEW.edition = OLD.edition AND NEW.facts = OLD.facts AND NEW.facts_sha256 = OLD.facts_sha256 AND NEW.trace = OLD.trace AND NEW.verify_key = OLD.verify_key AND (OLD.pdf_sha256 IS NULL OR (NEW.pdf_sha256 = OLD.pdf_sha256 AND NEW.pdf_key = OLD.pdf_key)) AND (NEW.state = OLD.state OR (OLD.state = 'reserved' AND NEW.state = 'good') OR (OLD.state = 'good' AND NEW.state IN ('revoked', 'superseded'))) THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'certificate is append-only'; END $$",
        'CREATE TRIGGER certificate_no_change BEFORE UPDATE OR DELETE ON certificate FOR EACH ROW EXECUTE FUNCTION certificate_refuse()',
        'CREATE TRIGGER certificate_no_truncate BEFORE TRUNCATE ON certificate FOR EACH STATEMENT EXECUTE FUNCTION certificate_refuse()',
        "CREATE FUNCTION lecture_completion_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'lecture_completion is append-only'; END $$",
        'CREATE TRIGGER lecture_completion_no_change BEFORE UPDATE OR DELETE ON lecture_completion FOR EACH ROW EXECUTE FUNCTION lecture_completion_refuse()',
        'CREATE TRIGGER lecture_completion_no_truncate BEFORE TRUNCATE ON lecture_completion FOR EACH STATEMENT EXECUTE FUNCTION lecture_completion_refuse()',
        "CREATE FUNCTION entry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.enrolment_id = OLD.enrolment_id AND NEW.cohort_id = OLD.cohort_id AND NEW.author_person_id = OLD.author_person_id AND NEW.author_account_id = OLD.author_account_id AND NEW.client_uuid = OLD.client_uuid AND NEW.created_at = OLD.created_at AND ((OLD.state = 'countersigned' AND NEW.state = 'superseded') OR (OLD.state = 'countersigned' AND NEW.state = 'voided') OR (OLD.state = 'declined' AND NEW.state = 'lapsed') OR (OLD.state = 'declined' AND NEW.state = 'submitted') OR (OLD.state = 'draft' AND NEW.state = 'discarded') OR (OLD.state = 'draft' AND NEW.state = 'lapsed') OR (OLD.state = 'draft' AND NEW.state = 'submitted') OR (OLD.state = 'returned' AND NEW.state = 'lapsed') OR (OLD.state = 'returned' AND NEW.state = 'submitted') OR (OLD.state = 'signed' AND NEW.state = 'countersigned') OR (OLD.state = 'signed' AND NEW.state = 'superseded') OR (OLD.state = 'signed' AND NEW.state = 'voided') OR (OLD.state = 'submitted' AND NEW.state = 'declined') OR (OLD.state = 'submitted' AND NEW.state = 'draft') OR (OLD.state = 'submitted' AND NEW.state = 'lapsed') OR (OLD.state = 'submitted' AND NEW.state = 'returned') OR (OLD.state = 'submitted' AND NEW.state = 'signed') OR (NEW.state = OLD.state AND OLD.state IN ('declined', 'draft', 'returned', 'submitted'))) AND (OLD.state IN ('declined', 'draft', 'returned') OR (NEW.placement_id = OLD.placement_id AND NEW.unit = OLD.unit AND NEW.item_id = OLD.item_id AND NEW.performed_on = OLD.performed_on AND NEW.content = OLD.content AND NEW.revision_no = OLD.revision_no AND NEW.late = OLD.late AND COALESCE(NEW.signer_person_id, 0) = COALESCE(OLD.signer_person_id, 0) AND (NEW.signer_person_id IS NULL) = (OLD.signer_person_id IS NULL) AND COALESCE(NEW.first_submitted_at, NEW.created_at) = COALESCE(OLD.first_submitted_at, OLD.created_at) AND (NEW.first_submitted_at IS NULL) = (OLD.first_submitted_at IS NULL) AND COALESCE(NEW.submitted_at, NEW.created_at) = COALESCE(OLD.submitted_at, OLD.created_at) AND (NEW.submitted_at IS NULL) = (OLD.submitted_at IS NULL))) AND (OLD.state IN ('declined', 'draft', 'returned', 'submitted') OR (COALESCE(NEW.opened_at, NEW.created_at) = COALESCE(OLD.opened_at, OLD.created_at) AND (NEW.opened_at IS NULL) = (OLD.opened_at IS NULL) AND COALESCE(NEW.decided_at, NEW.created_at) = COALESCE(OLD.decided_at, OLD.created_at) AND (NEW.decided_at IS NULL) = (OLD.decided_at IS NULL))) AND (NEW.state <> 'submitted' OR EXISTS (SELECT 1 FROM entry_revision r WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no)) AND (NEW.state <> 'signed' OR EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND s.kind = 'sign')) AND (NEW.state <> 'countersigned' OR EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND s.kind = 'countersign')) THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'entry is append-only'; END $$",
        'CREATE TRIGGER entry_no_change BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION entry_refuse()',
        'CREATE TRIGGER entry_no_truncate BEFORE TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION entry_refuse()',
        "CREATE FUNCTION entry_revision_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'entry_revision is append-only'; END $$",
        'CREATE TRIGGER entry_revision_no_change BEFORE UPDATE OR DELETE ON entry_revision FOR EACH ROW EXECUTE FUNCTION entry_revision_refuse()',
        'CREATE TRIGGER entry_revision_no_truncate BEFORE TRUNCATE ON entry_revision FOR EACH STATEMENT EXECUTE FUNCTION entry_revision_refuse()',
        "CREATE FUNCTION entry_signature_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'entry_signature is append-only'; END $$",
        'CREATE TRIGGER entry_signature_no_change BEFORE UPDATE OR DELETE ON entry_signature FOR EACH ROW EXECUTE FUNCTION entry_signature_refuse()',
        'CREATE TRIGGER entry_signature_no_truncate BEFORE TRUNCATE ON entry_signature FOR EACH STATEMENT EXECUTE FUNCTION entry_signature_refuse()',
        "CREATE FUNCTION entry_return_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF FALSE THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'entry_return is append-only'; END $$",
        'CREATE TRIGGER entry_return_no_change BEFORE UPDATE OR DELETE ON entry_return FOR EACH ROW EXECUTE FUNCTION entry_return_refuse()',
        'CREATE TRIGGER entry_return_no_truncate BEFORE TRUNCATE ON entry_return FOR EACH STATEMENT EXECUTE FUNCTION entry_return_refuse()',
        "CREATE FUNCTION approval_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'UPDATE' THEN IF OLD.state = 'open' AND NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.kind = OLD.kind AND NEW.subject = OLD.subject AND NEW.scope = OLD.scope AND NEW.payload = OLD.payload AND NEW.payload_sha256 = OLD.payload_sha256 AND NEW.reason = OLD.reason AND NEW.proposed_by_account_id = OLD.proposed_by_account_id AND NEW.proposed_by_person_id = OLD.proposed_by_person_id AND NEW.proposed_at = OLD.proposed_at THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'approval is append-only'; END $$",
        'CREATE TRIGGER approval_no_change BEFORE UPDATE OR DELETE ON approval FOR EACH ROW EXECUTE FUNCTION approval_refuse()',
        'CREATE TRIGGER approval_no_truncate BEFORE TRUNCATE ON approval FOR EACH STATEMENT EXECUTE FUNCTION approval_refuse()',
    ],
}
"""The database itself refuses to rewrite history."""


def upgrade() -> None:
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('audit_chain',
    sa.Column('scope', sa.String(length=80), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('head', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('scope', name=op.f('pk_audit_chain'))
    )
    op.create_table('audit_root',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('heads', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('prev', sa.String(length=64), nullable=False),
    sa.Column('root', sa.String(length=64), nullable=False),
    sa.Column('sealed_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_audit_root'))
    )
    op.create_table('framework',
    sa.Column('code', sa.String(length=10), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('title_zh', sa.String(length=120), nullable=False),
    sa.Column('title_en', sa.String(length=120), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('is_sample', sa.Boolean(), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint("state IN ('draft', 'published', 'retired')", name=op.f('ck_framework_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_framework')),
    sa.UniqueConstraint('code', 'version', name=op.f('uq_framework_code_version')),
    sa.UniqueConstraint('public_id', name=op.f('uq_framework_public_id'))
    )
    op.create_table('hospital',
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('name_zh', sa.String(length=120), nullable=False),
    sa.Column('name_en', sa.String(length=160), nullable=False),
    sa.Column('tier', sa.String(length=10), nullable=False),
    sa.Column('grade', sa.String(length=10), nullable=False),
    sa.Column('county_code', sa.String(length=6), nullable=False),
    sa.Column('region', sa.String(length=12), nullable=False),
    sa.Column('relation', sa.String(length=20), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hospital')),
    sa.UniqueConstraint('code', name=op.f('uq_hospital_code')),
    sa.UniqueConstraint('public_id', name=op.f('uq_hospital_public_id'))
    )
    op.create_table('person',
    sa.Column('name_zh', sa.String(length=60), nullable=False),
    sa.Column('name_latin', sa.String(length=120), nullable=False),
    sa.Column('name_native', sa.String(length=120), nullable=False),
    sa.Column('native_lang', sa.String(length=12), nullable=False),
    sa.Column('client_uuid', sa.String(length=64), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_person')),
    sa.UniqueConstraint('client_uuid', name=op.f('uq_person_client_uuid')),
    sa.UniqueConstraint('public_id', name=op.f('uq_person_public_id'))
    )
    op.create_table('rate_limit',
    sa.Column('key_sha256', sa.String(length=64), nullable=False),
    sa.Column('full_at', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('key_sha256', name=op.f('pk_rate_limit'))
    )
    with op.batch_alter_table('rate_limit', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rate_limit_full_at'), ['full_at'], unique=False)

    op.create_table('account',
    sa.Column('person_id', sa.Integer(), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=True),
    sa.Column('phone', sa.String(length=20), nullable=True),
    sa.Column('password_hash', sa.String(length=200), nullable=True),
    sa.Column('pin_hash', sa.String(length=200), nullable=True),
    sa.Column('locale', sa.String(length=10), nullable=False),
    sa.Column('xinjiang_time', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_account_person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account')),
    sa.UniqueConstraint('email', name=op.f('uq_account_email')),
    sa.UniqueConstraint('phone', name=op.f('uq_account_phone')),
    sa.UniqueConstraint('public_id', name=op.f('uq_account_public_id'))
    )
    with op.batch_alter_table('account', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_account_person_id'), ['person_id'], unique=False)

    op.create_table('audit_event',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('scope', sa.String(length=80), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('act', sa.String(length=60), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=True),
    sa.Column('acted_as', sa.String(length=40), nullable=False),
    sa.Column('subject', sa.String(length=80), nullable=False),
    sa.Column('detail', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('prev', sa.String(length=64), nullable=False),
    sa.Column('hash', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['scope'], ['audit_chain.scope'], name=op.f('fk_audit_event_scope_audit_chain')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_event')),
    sa.UniqueConstraint('scope', 'seq', name=op.f('uq_audit_event_scope_seq'))
    )
    with op.batch_alter_table('audit_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_event_at'), ['at'], unique=False)

    op.create_table('framework_item',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('framework_id', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=10), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('critical', sa.Boolean(), nullable=False),
    sa.Column('title_zh', sa.String(length=160), nullable=False),
    sa.Column('title_en', sa.String(length=160), nullable=False),
    sa.Column('initials', sa.String(length=80), nullable=False),
    sa.Column('targets', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('rule', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.ForeignKeyConstraint(['framework_id'], ['framework.id'], name=op.f('fk_framework_item_framework_id_framework')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_framework_item')),
    sa.UniqueConstraint('framework_id', 'code', name=op.f('uq_framework_item_framework_id_code'))
    )
    op.create_table('grant_',
    sa.Column('person_id', sa.Integer(), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('scope', sa.String(length=60), nullable=False),
    sa.Column('from_on', sa.Date(), nullable=False),
    sa.Column('to_on', sa.Date(), nullable=True),
    sa.Column('granted_by', sa.Integer(), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_grant__person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_grant_')),
    sa.UniqueConstraint('public_id', name=op.f('uq_grant__public_id'))
    )
    with op.batch_alter_table('grant_', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_grant__person_id'), ['person_id'], unique=False)
        batch_op.create_index('uq_grant_open', ['person_id', 'role', 'scope'], unique=True, sqlite_where=sa.text('to_on IS NULL'), postgresql_where=sa.text('to_on IS NULL'))

    op.create_table('programme',
    sa.Column('code', sa.String(length=20), nullable=False),
    sa.Column('title_zh', sa.String(length=160), nullable=False),
    sa.Column('title_en', sa.String(length=160), nullable=False),
    sa.Column('sponsor_id', sa.Integer(), nullable=False),
    sa.Column('director_name', sa.String(length=60), nullable=False),
    sa.Column('is_sample', sa.Boolean(), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['sponsor_id'], ['hospital.id'], name=op.f('fk_programme_sponsor_id_hospital')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_programme')),
    sa.UniqueConstraint('code', name=op.f('uq_programme_code')),
    sa.UniqueConstraint('public_id', name=op.f('uq_programme_public_id'))
    )
    op.create_table('watch_purse',
    sa.Column('person_id', sa.Integer(), nullable=False),
    sa.Column('filled_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seconds', sa.Double(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_watch_purse_person_id_person')),
    sa.PrimaryKeyConstraint('person_id', name=op.f('pk_watch_purse'))
    )
    op.create_table('account_link',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('token_sha256', sa.String(length=64), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_account_link_account_id_account')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account_link')),
    sa.UniqueConstraint('token_sha256', name=op.f('uq_account_link_token_sha256'))
    )
    with op.batch_alter_table('account_link', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_account_link_account_id'), ['account_id'], unique=False)

    op.create_table('approval',
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('subject', sa.String(length=80), nullable=False),
    sa.Column('scope', sa.String(length=80), nullable=False),
    sa.Column('payload', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('payload_sha256', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.String(length=1000), nullable=False),
    sa.Column('proposed_by_account_id', sa.Integer(), nullable=False),
    sa.Column('proposed_by_person_id', sa.Integer(), nullable=False),
    sa.Column('proposed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('decided_by_account_id', sa.Integer(), nullable=True),
    sa.Column('decided_by_person_id', sa.Integer(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('note', sa.String(length=1000), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f('ck_approval_decided')),
    sa.CheckConstraint("state IN ('open', 'approved', 'refused', 'withdrawn')", name=op.f('ck_approval_state')),
    sa.CheckConstraint("state NOT IN ('approved', 'refused') OR decided_by_person_id <> proposed_by_person_id", name=op.f('ck_approval_two_persons')),
    sa.ForeignKeyConstraint(['decided_by_account_id'], ['account.id'], name=op.f('fk_approval_decided_by_account_id_account')),
    sa.ForeignKeyConstraint(['decided_by_person_id'], ['person.id'], name=op.f('fk_approval_decided_by_person_id_person')),
    sa.ForeignKeyConstraint(['proposed_by_account_id'], ['account.id'], name=op.f('fk_approval_proposed_by_account_id_account')),
    sa.ForeignKeyConstraint(['proposed_by_person_id'], ['person.id'], name=op.f('fk_approval_proposed_by_person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approval')),
    sa.UniqueConstraint('public_id', name=op.f('uq_approval_public_id'))
    )
    with op.batch_alter_table('approval', schema=None) as batch_op:
        batch_op.create_index('ix_approval_subject', ['kind', 'subject', 'id'], unique=False)
        batch_op.create_index('uq_approval_open', ['kind', 'subject'], unique=True, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))

    op.create_table('certificate_rule_version',
    sa.Column('programme_id', sa.Integer(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('expression', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('published_by', sa.Integer(), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_certificate_rule_version_programme_id_programme')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_rule_version')),
    sa.UniqueConstraint('programme_id', 'number', name=op.f('uq_certificate_rule_version_programme_id_number')),
    sa.UniqueConstraint('public_id', name=op.f('uq_certificate_rule_version_public_id'))
    )
    op.create_table('certificate_serial_counter',
    sa.Column('programme_id', sa.Integer(), nullable=False),
    sa.Column('year', sa.Integer(), nullable=False),
    sa.Column('last', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_certificate_serial_counter_programme_id_programme')),
    sa.PrimaryKeyConstraint('programme_id', 'year', name=op.f('pk_certificate_serial_counter'))
    )
    op.create_table('cohort',
    sa.Column('programme_id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=20), nullable=False),
    sa.Column('name_zh', sa.String(length=120), nullable=False),
    sa.Column('name_en', sa.String(length=120), nullable=False),
    sa.Column('start_on', sa.Date(), nullable=False),
    sa.Column('end_on', sa.Date(), nullable=False),
    sa.Column('hours', sa.Integer(), nullable=True),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint('end_on > start_on', name=op.f('ck_cohort_dates')),
    sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_cohort_programme_id_programme')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cohort')),
    sa.UniqueConstraint('programme_id', 'code', name=op.f('uq_cohort_programme_id_code')),
    sa.UniqueConstraint('public_id', name=op.f('uq_cohort_public_id'))
    )
    op.create_table('item_bank',
    sa.Column('programme_id', sa.Integer(), nullable=False),
    sa.Column('purpose', sa.String(length=10), nullable=False),
    sa.Column('title_zh', sa.String(length=160), nullable=False),
    sa.Column('title_en', sa.String(length=160), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint("purpose IN ('exam', 'practice')", name=op.f('ck_item_bank_purpose')),
    sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_item_bank_programme_id_programme')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_item_bank')),
    sa.UniqueConstraint('public_id', name=op.f('uq_item_bank_public_id'))
    )
    with op.batch_alter_table('item_bank', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_item_bank_programme_id'), ['programme_id'], unique=False)

    op.create_table('link_mail',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=True),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('asked_by', sa.Integer(), nullable=True),
    sa.Column('lease_owner', sa.String(length=80), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lease_token', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failure', sa.String(length=400), nullable=True),
    sa.CheckConstraint("state IN ('waiting', 'sent', 'nobody', 'failed')", name=op.f('ck_link_mail_state')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_link_mail_account_id_account')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_link_mail'))
    )
    with op.batch_alter_table('link_mail', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_link_mail_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_link_mail_state'), ['state'], unique=False)

    op.create_table('notice',
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('values', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('url', sa.String(length=300), nullable=False),
    sa.Column('once', sa.String(length=120), nullable=True),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('read_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_notice_account_id_account')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice')),
    sa.UniqueConstraint('account_id', 'once', name=op.f('uq_notice_account_id_once')),
    sa.UniqueConstraint('public_id', name=op.f('uq_notice_public_id'))
    )
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.create_index('ix_notice_account_newest', ['account_id', 'id'], unique=False)
        batch_op.create_index('ix_notice_account_unread', ['account_id', 'read_at'], unique=False)

    op.create_table('notice_preference',
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('by_mail', sa.Boolean(), nullable=False),
    sa.Column('by_webhook', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_notice_preference_account_id_account')),
    sa.PrimaryKeyConstraint('account_id', 'kind', name=op.f('pk_notice_preference'))
    )
    op.create_table('passkey',
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('credential_id', sa.LargeBinary(), nullable=False),
    sa.Column('public_key', sa.LargeBinary(), nullable=False),
    sa.Column('sign_count', sa.Integer(), nullable=False),
    sa.Column('label', sa.String(length=60), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_passkey_account_id_account')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_passkey')),
    sa.UniqueConstraint('credential_id', name=op.f('uq_passkey_credential_id')),
    sa.UniqueConstraint('public_id', name=op.f('uq_passkey_public_id'))
    )
    with op.batch_alter_table('passkey', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_passkey_account_id'), ['account_id'], unique=False)

    op.create_table('user_session',
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('token_sha256', sa.String(length=64), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('confirmed_by', sa.String(length=10), nullable=False),
    sa.Column('challenge', sa.LargeBinary(), nullable=True),
    sa.Column('challenged_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('challenge_for', sa.String(length=10), nullable=False),
    sa.Column('user_agent', sa.String(length=200), nullable=False),
    sa.Column('address', sa.String(length=60), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_user_session_account_id_account')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user_session')),
    sa.UniqueConstraint('public_id', name=op.f('uq_user_session_public_id')),
    sa.UniqueConstraint('token_sha256', name=op.f('uq_user_session_token_sha256'))
    )
    with op.batch_alter_table('user_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_user_session_account_id'), ['account_id'], unique=False)

    op.create_table('webhook',
    sa.Column('account_id', sa.Integer(), nullable=True),
    sa.Column('url', sa.String(length=500), nullable=False),
    sa.Column('secret', sa.String(length=200), nullable=False),
    sa.Column('shape', sa.String(length=10), nullable=False),
    sa.Column('private_allowed', sa.Boolean(), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('rests_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint("shape IN ('firefly', 'wecom', 'dingtalk')", name=op.f('ck_webhook_shape')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_webhook_account_id_account')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook')),
    sa.UniqueConstraint('public_id', name=op.f('uq_webhook_public_id'))
    )
    with op.batch_alter_table('webhook', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_webhook_account_id'), ['account_id'], unique=False)

    op.create_table('certificate_batch',
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('client_uuid', sa.String(length=80), nullable=False),
    sa.Column('requested_by', sa.Integer(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_certificate_batch_cohort_id_cohort')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_batch')),
    sa.UniqueConstraint('client_uuid', name=op.f('uq_certificate_batch_client_uuid')),
    sa.UniqueConstraint('public_id', name=op.f('uq_certificate_batch_public_id'))
    )
    op.create_table('certificate_cohort_rule',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('rule_id', sa.Integer(), nullable=False),
    sa.Column('pinned_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('is_stale', sa.Boolean(), nullable=False),
    sa.Column('lease_owner', sa.String(length=80), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lease_token', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failure', sa.String(length=400), nullable=True),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_certificate_cohort_rule_cohort_id_cohort')),
    sa.ForeignKeyConstraint(['rule_id'], ['certificate_rule_version.id'], name=op.f('fk_certificate_cohort_rule_rule_id_certificate_rule_version')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_cohort_rule')),
    sa.UniqueConstraint('cohort_id', name=op.f('uq_certificate_cohort_rule_cohort_id'))
    )
    op.create_table('course',
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('title_zh', sa.String(length=160), nullable=False),
    sa.Column('title_en', sa.String(length=160), nullable=False),
    sa.Column('summary_zh', sa.String(), nullable=False),
    sa.Column('summary_en', sa.String(), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('is_sample', sa.Boolean(), nullable=False),
    sa.Column('client_uuid', sa.String(length=80), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_course_cohort_id_cohort')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_course')),
    sa.UniqueConstraint('client_uuid', name=op.f('uq_course_client_uuid')),
    sa.UniqueConstraint('cohort_id', 'code', name=op.f('uq_course_cohort_id_code')),
    sa.UniqueConstraint('public_id', name=op.f('uq_course_public_id'))
    )
    with op.batch_alter_table('course', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_course_cohort_id'), ['cohort_id'], unique=False)

    op.create_table('enrolment',
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('person_id', sa.Integer(), nullable=False),
    sa.Column('home_hospital_id', sa.Integer(), nullable=True),
    sa.Column('track', sa.String(length=10), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('enrolled_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_enrolment_cohort_id_cohort')),
    sa.ForeignKeyConstraint(['home_hospital_id'], ['hospital.id'], name=op.f('fk_enrolment_home_hospital_id_hospital')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_enrolment_person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_enrolment')),
    sa.UniqueConstraint('cohort_id', 'person_id', name=op.f('uq_enrolment_cohort_id_person_id')),
    sa.UniqueConstraint('public_id', name=op.f('uq_enrolment_public_id'))
    )
    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_enrolment_cohort_id'), ['cohort_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_enrolment_person_id'), ['person_id'], unique=False)

    op.create_table('notice_delivery',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('notice_id', sa.Integer(), nullable=False),
    sa.Column('target', sa.String(length=40), nullable=False),
    sa.Column('webhook_id', sa.Integer(), nullable=True),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('sending_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lease_owner', sa.String(length=80), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lease_token', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failure', sa.String(length=400), nullable=True),
    sa.CheckConstraint("state IN ('due', 'sent', 'failed', 'unknown', 'skipped')", name=op.f('ck_notice_delivery_state')),
    sa.ForeignKeyConstraint(['notice_id'], ['notice.id'], name=op.f('fk_notice_delivery_notice_id_notice')),
    sa.ForeignKeyConstraint(['webhook_id'], ['webhook.id'], name=op.f('fk_notice_delivery_webhook_id_webhook')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice_delivery')),
    sa.UniqueConstraint('notice_id', 'target', name=op.f('uq_notice_delivery_notice_id_target'))
    )
    with op.batch_alter_table('notice_delivery', schema=None) as batch_op:
        batch_op.create_index('ix_notice_delivery_due', ['state', 'id'], unique=False)

    op.create_table('question',
    sa.Column('bank_id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['bank_id'], ['item_bank.id'], name=op.f('fk_question_bank_id_item_bank')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_question')),
    sa.UniqueConstraint('bank_id', 'code', name=op.f('uq_question_bank_id_code')),
    sa.UniqueConstraint('public_id', name=op.f('uq_question_public_id'))
    )
    op.create_table('test',
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('title_zh', sa.String(length=160), nullable=False),
    sa.Column('title_en', sa.String(length=160), nullable=False),
    sa.Column('duration_s', sa.Integer(), nullable=False),
    sa.Column('opens_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closes_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('cut_percent', sa.Integer(), nullable=False),
    sa.Column('attempts_allowed', sa.Integer(), nullable=False),
    sa.Column('release', sa.String(length=10), nullable=False),
    sa.Column('released_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('is_sample', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint("release IN ('at_once', 'held')", name=op.f('ck_test_release')),
    sa.CheckConstraint("state IN ('draft', 'published')", name=op.f('ck_test_state')),
    sa.CheckConstraint('closes_at > opens_at', name=op.f('ck_test_window')),
    sa.CheckConstraint('cut_percent BETWEEN 1 AND 100', name=op.f('ck_test_cut')),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_test_cohort_id_cohort')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_test')),
    sa.UniqueConstraint('public_id', name=op.f('uq_test_public_id'))
    )
    with op.batch_alter_table('test', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_test_cohort_id'), ['cohort_id'], unique=False)

    op.create_table('certificate',
    sa.Column('serial', sa.String(length=40), nullable=False),
    sa.Column('programme_id', sa.Integer(), nullable=False),
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('person_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('edition', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('facts', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('facts_sha256', sa.String(length=64), nullable=False),
    sa.Column('trace', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('rule_id', sa.Integer(), nullable=False),
    sa.Column('verify_key', sa.String(length=24), nullable=False),
    sa.Column('reserved_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('requested_by', sa.Integer(), nullable=True),
    sa.Column('pdf_sha256', sa.String(length=64), nullable=True),
    sa.Column('pdf_key', sa.String(length=160), nullable=True),
    sa.Column('pdf_bytes', sa.Integer(), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('gave_up_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.String(length=300), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.Column('lease_owner', sa.String(length=80), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lease_token', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failure', sa.String(length=400), nullable=True),
    sa.CheckConstraint("(state = 'reserved') = (pdf_sha256 IS NULL)", name=op.f('ck_certificate_file')),
    sa.CheckConstraint("state IN ('reserved', 'good', 'revoked', 'superseded')", name=op.f('ck_certificate_state')),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_certificate_cohort_id_cohort')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_certificate_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_certificate_person_id_person')),
    sa.ForeignKeyConstraint(['programme_id'], ['programme.id'], name=op.f('fk_certificate_programme_id_programme')),
    sa.ForeignKeyConstraint(['rule_id'], ['certificate_rule_version.id'], name=op.f('fk_certificate_rule_id_certificate_rule_version')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate')),
    sa.UniqueConstraint('enrolment_id', 'kind', 'edition', name=op.f('uq_certificate_enrolment_id_kind_edition')),
    sa.UniqueConstraint('public_id', name=op.f('uq_certificate_public_id')),
    sa.UniqueConstraint('serial', name=op.f('uq_certificate_serial'))
    )
    with op.batch_alter_table('certificate', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_certificate_cohort_id'), ['cohort_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_certificate_person_id'), ['person_id'], unique=False)
        batch_op.create_index('uq_certificate_one', ['enrolment_id', 'kind'], unique=True, sqlite_where=sa.text("state IN ('reserved', 'good')"), postgresql_where=sa.text("state IN ('reserved', 'good')"))

    op.create_table('certificate_standing',
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('met', sa.Boolean(), nullable=False),
    sa.Column('trace', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('evaluated_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_certificate_standing_cohort_id_cohort')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_certificate_standing_enrolment_id_enrolment')),
    sa.PrimaryKeyConstraint('enrolment_id', name=op.f('pk_certificate_standing'))
    )
    with op.batch_alter_table('certificate_standing', schema=None) as batch_op:
        batch_op.create_index('ix_certificate_standing_cohort_met', ['cohort_id', 'met'], unique=False)

    op.create_table('exam_form',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('test_id', sa.Integer(), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('slots', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('sealed_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_exam_form_test_id_test')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_exam_form')),
    sa.UniqueConstraint('test_id', 'n', name=op.f('uq_exam_form_test_id_n'))
    )
    op.create_table('grade_run',
    sa.Column('test_id', sa.Integer(), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('keys', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('keys_sha256', sa.String(length=64), nullable=False),
    sa.Column('engine_version', sa.Integer(), nullable=False),
    sa.Column('cut_percent', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_grade_run_test_id_test')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_grade_run')),
    sa.UniqueConstraint('public_id', name=op.f('uq_grade_run_public_id')),
    sa.UniqueConstraint('test_id', 'n', name=op.f('uq_grade_run_test_id_n'))
    )
    op.create_table('module',
    sa.Column('course_id', sa.Integer(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('title_zh', sa.String(length=160), nullable=False),
    sa.Column('title_en', sa.String(length=160), nullable=False),
    sa.Column('client_uuid', sa.String(length=80), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_module_course_id_course')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_module')),
    sa.UniqueConstraint('client_uuid', name=op.f('uq_module_client_uuid')),
    sa.UniqueConstraint('course_id', 'number', name=op.f('uq_module_course_id_number')),
    sa.UniqueConstraint('public_id', name=op.f('uq_module_public_id'))
    )
    op.create_table('placement',
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('unit', sa.String(length=10), nullable=False),
    sa.Column('from_on', sa.Date(), nullable=False),
    sa.Column('to_on', sa.Date(), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint('to_on >= from_on', name=op.f('ck_placement_dates')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_placement_enrolment_id_enrolment')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_placement')),
    sa.UniqueConstraint('public_id', name=op.f('uq_placement_public_id'))
    )
    with op.batch_alter_table('placement', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_placement_enrolment_id'), ['enrolment_id'], unique=False)

    op.create_table('question_version',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('question_id', sa.Integer(), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('type', sa.String(length=10), nullable=False),
    sa.Column('body', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('author_account_id', sa.Integer(), nullable=True),
    sa.Column('source', sa.String(length=300), nullable=False),
    sa.Column('is_sample', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['question_id'], ['question.id'], name=op.f('fk_question_version_question_id_question')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_question_version')),
    sa.UniqueConstraint('question_id', 'n', name=op.f('uq_question_version_question_id_n'))
    )
    op.create_table('certificate_batch_item',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('batch_id', sa.Integer(), nullable=False),
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('certificate_id', sa.Integer(), nullable=True),
    sa.Column('refusal', sa.String(length=40), nullable=False),
    sa.Column('detail', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['batch_id'], ['certificate_batch.id'], name=op.f('fk_certificate_batch_item_batch_id_certificate_batch')),
    sa.ForeignKeyConstraint(['certificate_id'], ['certificate.id'], name=op.f('fk_certificate_batch_item_certificate_id_certificate')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_certificate_batch_item_enrolment_id_enrolment')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate_batch_item')),
    sa.UniqueConstraint('batch_id', 'enrolment_id', name=op.f('uq_certificate_batch_item_batch_id_enrolment_id'))
    )
    op.create_table('entry',
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('placement_id', sa.Integer(), nullable=False),
    sa.Column('unit', sa.String(length=10), nullable=False),
    sa.Column('author_person_id', sa.Integer(), nullable=False),
    sa.Column('author_account_id', sa.Integer(), nullable=False),
    sa.Column('signer_person_id', sa.Integer(), nullable=True),
    sa.Column('item_id', sa.Integer(), nullable=False),
    sa.Column('performed_on', sa.Date(), nullable=False),
    sa.Column('content', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('state', sa.String(length=14), nullable=False),
    sa.Column('revision_no', sa.Integer(), nullable=False),
    sa.Column('late', sa.Boolean(), nullable=False),
    sa.Column('client_uuid', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('first_submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint("state IN ('draft', 'submitted', 'returned', 'declined', 'signed', 'countersigned', 'superseded', 'voided', 'lapsed', 'discarded')", name=op.f('ck_entry_state')),
    sa.CheckConstraint('signer_person_id IS NULL OR signer_person_id <> author_person_id', name=op.f('ck_entry_not_own')),
    sa.ForeignKeyConstraint(['author_account_id'], ['account.id'], name=op.f('fk_entry_author_account_id_account')),
    sa.ForeignKeyConstraint(['author_person_id'], ['person.id'], name=op.f('fk_entry_author_person_id_person')),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_entry_cohort_id_cohort')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_entry_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['item_id'], ['framework_item.id'], name=op.f('fk_entry_item_id_framework_item')),
    sa.ForeignKeyConstraint(['placement_id'], ['placement.id'], name=op.f('fk_entry_placement_id_placement')),
    sa.ForeignKeyConstraint(['signer_person_id'], ['person.id'], name=op.f('fk_entry_signer_person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_entry')),
    sa.UniqueConstraint('author_person_id', 'client_uuid', name=op.f('uq_entry_author_person_id_client_uuid')),
    sa.UniqueConstraint('public_id', name=op.f('uq_entry_public_id'))
    )
    with op.batch_alter_table('entry', schema=None) as batch_op:
        batch_op.create_index('ix_entry_cohort', ['cohort_id', 'state'], unique=False)
        batch_op.create_index('ix_entry_enrolment', ['enrolment_id', 'state', 'item_id'], unique=False)
        batch_op.create_index('ix_entry_signer', ['signer_person_id', 'state', 'submitted_at'], unique=False)

    op.create_table('key_revision',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('question_version_id', sa.Integer(), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('key', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('rationale', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['question_version_id'], ['question_version.id'], name=op.f('fk_key_revision_question_version_id_question_version')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_key_revision')),
    sa.UniqueConstraint('question_version_id', 'n', name=op.f('uq_key_revision_question_version_id_n'))
    )
    op.create_table('lecture',
    sa.Column('module_id', sa.Integer(), nullable=False),
    sa.Column('cohort_id', sa.Integer(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=60), nullable=False),
    sa.Column('title_zh', sa.String(length=160), nullable=False),
    sa.Column('title_en', sa.String(length=160), nullable=False),
    sa.Column('summary_zh', sa.String(), nullable=False),
    sa.Column('summary_en', sa.String(), nullable=False),
    sa.Column('key_points', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('is_sample', sa.Boolean(), nullable=False),
    sa.Column('client_uuid', sa.String(length=80), nullable=True),
    sa.Column('video_id', sa.Integer(), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.ForeignKeyConstraint(['cohort_id'], ['cohort.id'], name=op.f('fk_lecture_cohort_id_cohort')),
    sa.ForeignKeyConstraint(['module_id'], ['module.id'], name=op.f('fk_lecture_module_id_module')),
    sa.ForeignKeyConstraint(['video_id'], ['video.id'], name=op.f('fk_lecture_video_id_video'), use_alter=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_lecture')),
    sa.UniqueConstraint('client_uuid', name=op.f('uq_lecture_client_uuid')),
    sa.UniqueConstraint('cohort_id', 'code', name=op.f('uq_lecture_cohort_id_code')),
    sa.UniqueConstraint('module_id', 'number', name=op.f('uq_lecture_module_id_number')),
    sa.UniqueConstraint('public_id', name=op.f('uq_lecture_public_id'))
    )
    with op.batch_alter_table('lecture', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_lecture_cohort_id'), ['cohort_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_lecture_module_id'), ['module_id'], unique=False)

    op.create_table('pairing',
    sa.Column('placement_id', sa.Integer(), nullable=False),
    sa.Column('mentor_person_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('from_on', sa.Date(), nullable=False),
    sa.Column('to_on', sa.Date(), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint("kind IN ('primary', 'second', 'deputy')", name=op.f('ck_pairing_kind')),
    sa.CheckConstraint('to_on >= from_on', name=op.f('ck_pairing_dates')),
    sa.ForeignKeyConstraint(['mentor_person_id'], ['person.id'], name=op.f('fk_pairing_mentor_person_id_person')),
    sa.ForeignKeyConstraint(['placement_id'], ['placement.id'], name=op.f('fk_pairing_placement_id_placement')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pairing')),
    sa.UniqueConstraint('public_id', name=op.f('uq_pairing_public_id'))
    )
    with op.batch_alter_table('pairing', schema=None) as batch_op:
        batch_op.create_index('ix_pairing_mentor', ['mentor_person_id', 'from_on'], unique=False)
        batch_op.create_index(batch_op.f('ix_pairing_placement_id'), ['placement_id'], unique=False)
        batch_op.create_index('uq_pairing_primary_start', ['placement_id', 'from_on'], unique=True, sqlite_where=sa.text("kind = 'primary'"), postgresql_where=sa.text("kind = 'primary'"))

    op.create_table('sitting',
    sa.Column('test_id', sa.Integer(), nullable=False),
    sa.Column('form_id', sa.Integer(), nullable=False),
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('trainee_person_id', sa.Integer(), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('client_uuid', sa.String(length=64), nullable=False),
    sa.Column('seed', sa.String(length=64), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('writer_epoch', sa.Integer(), nullable=False),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('receipt', sa.String(length=64), nullable=True),
    sa.Column('marked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.Column('lease_owner', sa.String(length=80), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lease_token', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failure', sa.String(length=400), nullable=True),
    sa.CheckConstraint("state IN ('in_progress', 'submitted', 'auto_submitted')", name=op.f('ck_sitting_state')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_sitting_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['form_id'], ['exam_form.id'], name=op.f('fk_sitting_form_id_exam_form')),
    sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('fk_sitting_test_id_test')),
    sa.ForeignKeyConstraint(['trainee_person_id'], ['person.id'], name=op.f('fk_sitting_trainee_person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sitting')),
    sa.UniqueConstraint('enrolment_id', 'client_uuid', name=op.f('uq_sitting_enrolment_id_client_uuid')),
    sa.UniqueConstraint('public_id', name=op.f('uq_sitting_public_id')),
    sa.UniqueConstraint('test_id', 'enrolment_id', 'attempt', name=op.f('uq_sitting_test_id_enrolment_id_attempt'))
    )
    with op.batch_alter_table('sitting', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_sitting_enrolment_id'), ['enrolment_id'], unique=False)
        batch_op.create_index('ix_sitting_state', ['state', 'marked_at'], unique=False)

    op.create_table('caption',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('lecture_id', sa.Integer(), nullable=False),
    sa.Column('lang', sa.String(length=12), nullable=False),
    sa.Column('text', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_caption_lecture_id_lecture')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_caption')),
    sa.UniqueConstraint('lecture_id', 'lang', name=op.f('uq_caption_lecture_id_lang'))
    )
    op.create_table('clock_event',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('sitting_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('ms', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('start', 'extend')", name=op.f('ck_clock_event_kind')),
    sa.CheckConstraint('ms >= 0', name=op.f('ck_clock_event_ms')),
    sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_clock_event_sitting_id_sitting')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_clock_event'))
    )
    with op.batch_alter_table('clock_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_clock_event_sitting_id'), ['sitting_id'], unique=False)

    op.create_table('entry_revision',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('entry_id', sa.Integer(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('payload', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('payload_sha256', sa.String(length=64), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_entry_revision_account_id_account')),
    sa.ForeignKeyConstraint(['entry_id'], ['entry.id'], name=op.f('fk_entry_revision_entry_id_entry')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_entry_revision')),
    sa.UniqueConstraint('entry_id', 'number', name=op.f('uq_entry_revision_entry_id_number'))
    )
    op.create_table('grade',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('grade_run_id', sa.Integer(), nullable=False),
    sa.Column('sitting_id', sa.Integer(), nullable=False),
    sa.Column('score', sa.String(length=40), nullable=False),
    sa.Column('maximum', sa.String(length=40), nullable=False),
    sa.Column('cut_percent', sa.Integer(), nullable=False),
    sa.Column('decision', sa.String(length=10), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("decision IN ('pass', 'fail')", name=op.f('ck_grade_decision')),
    sa.ForeignKeyConstraint(['grade_run_id'], ['grade_run.id'], name=op.f('fk_grade_grade_run_id_grade_run')),
    sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_grade_sitting_id_sitting')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_grade')),
    sa.UniqueConstraint('grade_run_id', 'sitting_id', name=op.f('uq_grade_grade_run_id_sitting_id'))
    )
    with op.batch_alter_table('grade', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_grade_sitting_id'), ['sitting_id'], unique=False)

    op.create_table('mark',
    sa.Column('grade_run_id', sa.Integer(), nullable=False),
    sa.Column('sitting_id', sa.Integer(), nullable=False),
    sa.Column('slot', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('key_revision_id', sa.Integer(), nullable=False),
    sa.Column('response', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('score', sa.String(length=40), nullable=False),
    sa.Column('maximum', sa.String(length=40), nullable=False),
    sa.ForeignKeyConstraint(['grade_run_id'], ['grade_run.id'], name=op.f('fk_mark_grade_run_id_grade_run')),
    sa.ForeignKeyConstraint(['key_revision_id'], ['key_revision.id'], name=op.f('fk_mark_key_revision_id_key_revision')),
    sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_mark_sitting_id_sitting')),
    sa.PrimaryKeyConstraint('grade_run_id', 'sitting_id', 'slot', name=op.f('pk_mark'))
    )
    op.create_table('response_event',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('sitting_id', sa.Integer(), nullable=False),
    sa.Column('device', sa.String(length=64), nullable=False),
    sa.Column('client_seq', sa.Integer(), nullable=False),
    sa.Column('slot', sa.Integer(), nullable=True),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('body', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('mono_ms', sa.BigInteger(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('late_ms', sa.BigInteger(), nullable=False),
    sa.Column('applied', sa.Boolean(), nullable=False),
    sa.Column('reason', sa.String(length=20), nullable=True),
    sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_response_event_sitting_id_sitting')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_response_event')),
    sa.UniqueConstraint('sitting_id', 'device', 'client_seq', name=op.f('uq_response_event_sitting_id_device_client_seq'))
    )
    op.create_table('response_head',
    sa.Column('sitting_id', sa.Integer(), nullable=False),
    sa.Column('slot', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('device', sa.String(length=64), nullable=False),
    sa.Column('client_seq', sa.Integer(), nullable=False),
    sa.Column('body', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.ForeignKeyConstraint(['sitting_id'], ['sitting.id'], name=op.f('fk_response_head_sitting_id_sitting')),
    sa.PrimaryKeyConstraint('sitting_id', 'slot', 'kind', name=op.f('pk_response_head'))
    )
    op.create_table('video',
    sa.Column('lecture_id', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('client_uuid', sa.String(length=80), nullable=True),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('source_key', sa.String(length=160), nullable=False),
    sa.Column('source_name', sa.String(length=160), nullable=False),
    sa.Column('source_bytes', sa.BigInteger(), nullable=False),
    sa.Column('source_sha256', sa.String(length=64), nullable=False),
    sa.Column('progress_percent', sa.Integer(), nullable=False),
    sa.Column('refusal', sa.String(length=40), nullable=False),
    sa.Column('folder_key', sa.String(length=160), nullable=True),
    sa.Column('manifest', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
    sa.Column('duration_s', sa.Integer(), nullable=False),
    sa.Column('lite_bytes', sa.BigInteger(), nullable=False),
    sa.Column('audio_bytes', sa.BigInteger(), nullable=False),
    sa.Column('uploaded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('uploaded_by', sa.Integer(), nullable=True),
    sa.Column('ready_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.Column('lease_owner', sa.String(length=80), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lease_token', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failure', sa.String(length=400), nullable=True),
    sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_video_lecture_id_lecture')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_video')),
    sa.UniqueConstraint('client_uuid', name=op.f('uq_video_client_uuid')),
    sa.UniqueConstraint('lecture_id', 'version', name=op.f('uq_video_lecture_id_version')),
    sa.UniqueConstraint('public_id', name=op.f('uq_video_public_id'))
    )
    with op.batch_alter_table('video', schema=None) as batch_op:
        batch_op.create_index('ix_video_state', ['state'], unique=False)

    op.create_table('entry_return',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('entry_id', sa.Integer(), nullable=False),
    sa.Column('revision_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('reason', sa.String(length=20), nullable=False),
    sa.Column('words', sa.String(length=500), nullable=False),
    sa.Column('person_id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('return', 'decline')", name=op.f('ck_entry_return_kind')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_entry_return_account_id_account')),
    sa.ForeignKeyConstraint(['entry_id'], ['entry.id'], name=op.f('fk_entry_return_entry_id_entry')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_entry_return_person_id_person')),
    sa.ForeignKeyConstraint(['revision_id'], ['entry_revision.id'], name=op.f('fk_entry_return_revision_id_entry_revision')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_entry_return')),
    sa.UniqueConstraint('revision_id', name=op.f('uq_entry_return_revision_id'))
    )
    with op.batch_alter_table('entry_return', schema=None) as batch_op:
        batch_op.create_index('ix_entry_return_entry', ['entry_id'], unique=False)

    op.create_table('entry_signature',
    sa.Column('entry_id', sa.Integer(), nullable=False),
    sa.Column('revision_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('author_person_id', sa.Integer(), nullable=False),
    sa.Column('signer_person_id', sa.Integer(), nullable=False),
    sa.Column('signer_account_id', sa.Integer(), nullable=False),
    sa.Column('acted_as', sa.String(length=10), nullable=False),
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('words', sa.String(length=500), nullable=False),
    sa.Column('method', sa.String(length=10), nullable=False),
    sa.Column('payload_sha256', sa.String(length=64), nullable=False),
    sa.Column('statement_sha256', sa.String(length=64), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('signed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=12), nullable=False),
    sa.CheckConstraint('level BETWEEN 1 AND 5', name=op.f('ck_entry_signature_level')),
    sa.CheckConstraint('signer_person_id <> author_person_id', name=op.f('ck_entry_signature_not_own')),
    sa.ForeignKeyConstraint(['author_person_id'], ['person.id'], name=op.f('fk_entry_signature_author_person_id_person')),
    sa.ForeignKeyConstraint(['entry_id'], ['entry.id'], name=op.f('fk_entry_signature_entry_id_entry')),
    sa.ForeignKeyConstraint(['revision_id'], ['entry_revision.id'], name=op.f('fk_entry_signature_revision_id_entry_revision')),
    sa.ForeignKeyConstraint(['signer_account_id'], ['account.id'], name=op.f('fk_entry_signature_signer_account_id_account')),
    sa.ForeignKeyConstraint(['signer_person_id'], ['person.id'], name=op.f('fk_entry_signature_signer_person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_entry_signature')),
    sa.UniqueConstraint('public_id', name=op.f('uq_entry_signature_public_id')),
    sa.UniqueConstraint('revision_id', 'kind', name=op.f('uq_entry_signature_revision_id_kind'))
    )
    with op.batch_alter_table('entry_signature', schema=None) as batch_op:
        batch_op.create_index('ix_entry_signature_entry', ['entry_id'], unique=False)

    op.create_table('lecture_completion',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('lecture_id', sa.Integer(), nullable=False),
    sa.Column('video_id', sa.Integer(), nullable=False),
    sa.Column('watched_s', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_lecture_completion_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_lecture_completion_lecture_id_lecture')),
    sa.ForeignKeyConstraint(['video_id'], ['video.id'], name=op.f('fk_lecture_completion_video_id_video')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_lecture_completion')),
    sa.UniqueConstraint('enrolment_id', 'lecture_id', name=op.f('uq_lecture_completion_enrolment_id_lecture_id'))
    )
    with op.batch_alter_table('lecture_completion', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_lecture_completion_lecture_id'), ['lecture_id'], unique=False)

    op.create_table('watch',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('lecture_id', sa.Integer(), nullable=False),
    sa.Column('video_id', sa.Integer(), nullable=False),
    sa.Column('bitmap', sa.LargeBinary(), nullable=False),
    sa.Column('watched_s', sa.Integer(), nullable=False),
    sa.Column('position_s', sa.Double(), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_watch_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['lecture_id'], ['lecture.id'], name=op.f('fk_watch_lecture_id_lecture')),
    sa.ForeignKeyConstraint(['video_id'], ['video.id'], name=op.f('fk_watch_video_id_video')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_watch')),
    sa.UniqueConstraint('enrolment_id', 'video_id', name=op.f('uq_watch_enrolment_id_video_id'))
    )
    with op.batch_alter_table('watch', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_watch_lecture_id'), ['lecture_id'], unique=False)

    op.create_table('watch_session',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('nonce', sa.String(length=40), nullable=False),
    sa.Column('enrolment_id', sa.Integer(), nullable=False),
    sa.Column('video_id', sa.Integer(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_seq', sa.Integer(), nullable=False),
    sa.Column('credited_s', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_watch_session_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['video_id'], ['video.id'], name=op.f('fk_watch_session_video_id_video')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_watch_session')),
    sa.UniqueConstraint('nonce', name=op.f('uq_watch_session_nonce'))
    )
    with op.batch_alter_table('watch_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_watch_session_enrolment_id'), ['enrolment_id'], unique=False)

    # ### end Alembic commands ###
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement)
    if op.get_bind().dialect.name == "postgresql":  # the two tables name each other
        op.create_foreign_key("fk_lecture_video_id_video", "lecture", "video", ["video_id"], ["id"])


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("fk_lecture_video_id_video", "lecture", type_="foreignkey")
    # ### commands auto generated by Alembic - please adjust! ###
    with op.batch_alter_table('watch_session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_watch_session_enrolment_id'))

    op.drop_table('watch_session')
    with op.batch_alter_table('watch', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_watch_lecture_id'))

    op.drop_table('watch')
    with op.batch_alter_table('lecture_completion', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_lecture_completion_lecture_id'))

    op.drop_table('lecture_completion')
    with op.batch_alter_table('entry_signature', schema=None) as batch_op:
        batch_op.drop_index('ix_entry_signature_entry')

    op.drop_table('entry_signature')
    with op.batch_alter_table('entry_return', schema=None) as batch_op:
        batch_op.drop_index('ix_entry_return_entry')

    op.drop_table('entry_return')
    with op.batch_alter_table('video', schema=None) as batch_op:
        batch_op.drop_index('ix_video_state')

    op.drop_table('video')
    op.drop_table('response_head')
    op.drop_table('response_event')
    op.drop_table('mark')
    with op.batch_alter_table('grade', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_grade_sitting_id'))

    op.drop_table('grade')
    op.drop_table('entry_revision')
    with op.batch_alter_table('clock_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_clock_event_sitting_id'))

    op.drop_table('clock_event')
    op.drop_table('caption')
    with op.batch_alter_table('sitting', schema=None) as batch_op:
        batch_op.drop_index('ix_sitting_state')
        batch_op.drop_index(batch_op.f('ix_sitting_enrolment_id'))

    op.drop_table('sitting')
    with op.batch_alter_table('pairing', schema=None) as batch_op:
        batch_op.drop_index('uq_pairing_primary_start', sqlite_where=sa.text("kind = 'primary'"), postgresql_where=sa.text("kind = 'primary'"))
        batch_op.drop_index(batch_op.f('ix_pairing_placement_id'))
        batch_op.drop_index('ix_pairing_mentor')

    op.drop_table('pairing')
    with op.batch_alter_table('lecture', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_lecture_module_id'))
        batch_op.drop_index(batch_op.f('ix_lecture_cohort_id'))

    op.drop_table('lecture')
    op.drop_table('key_revision')
    with op.batch_alter_table('entry', schema=None) as batch_op:
        batch_op.drop_index('ix_entry_signer')
        batch_op.drop_index('ix_entry_enrolment')
        batch_op.drop_index('ix_entry_cohort')

    op.drop_table('entry')
    op.drop_table('certificate_batch_item')
    op.drop_table('question_version')
    with op.batch_alter_table('placement', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_placement_enrolment_id'))

    op.drop_table('placement')
    op.drop_table('module')
    op.drop_table('grade_run')
    op.drop_table('exam_form')
    with op.batch_alter_table('certificate_standing', schema=None) as batch_op:
        batch_op.drop_index('ix_certificate_standing_cohort_met')

    op.drop_table('certificate_standing')
    with op.batch_alter_table('certificate', schema=None) as batch_op:
        batch_op.drop_index('uq_certificate_one', sqlite_where=sa.text("state IN ('reserved', 'good')"), postgresql_where=sa.text("state IN ('reserved', 'good')"))
        batch_op.drop_index(batch_op.f('ix_certificate_person_id'))
        batch_op.drop_index(batch_op.f('ix_certificate_cohort_id'))

    op.drop_table('certificate')
    with op.batch_alter_table('test', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_test_cohort_id'))

    op.drop_table('test')
    op.drop_table('question')
    with op.batch_alter_table('notice_delivery', schema=None) as batch_op:
        batch_op.drop_index('ix_notice_delivery_due')

    op.drop_table('notice_delivery')
    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_enrolment_person_id'))
        batch_op.drop_index(batch_op.f('ix_enrolment_cohort_id'))

    op.drop_table('enrolment')
    with op.batch_alter_table('course', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_course_cohort_id'))

    op.drop_table('course')
    op.drop_table('certificate_cohort_rule')
    op.drop_table('certificate_batch')
    with op.batch_alter_table('webhook', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_webhook_account_id'))

    op.drop_table('webhook')
    with op.batch_alter_table('user_session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_user_session_account_id'))

    op.drop_table('user_session')
    with op.batch_alter_table('passkey', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_passkey_account_id'))

    op.drop_table('passkey')
    op.drop_table('notice_preference')
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.drop_index('ix_notice_account_unread')
        batch_op.drop_index('ix_notice_account_newest')

    op.drop_table('notice')
    with op.batch_alter_table('link_mail', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_link_mail_state'))
        batch_op.drop_index(batch_op.f('ix_link_mail_account_id'))

    op.drop_table('link_mail')
    with op.batch_alter_table('item_bank', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_item_bank_programme_id'))

    op.drop_table('item_bank')
    op.drop_table('cohort')
    op.drop_table('certificate_serial_counter')
    op.drop_table('certificate_rule_version')
    with op.batch_alter_table('approval', schema=None) as batch_op:
        batch_op.drop_index('uq_approval_open', sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.drop_index('ix_approval_subject')

    op.drop_table('approval')
    with op.batch_alter_table('account_link', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_account_link_account_id'))

    op.drop_table('account_link')
    op.drop_table('watch_purse')
    op.drop_table('programme')
    with op.batch_alter_table('grant_', schema=None) as batch_op:
        batch_op.drop_index('uq_grant_open', sqlite_where=sa.text('to_on IS NULL'), postgresql_where=sa.text('to_on IS NULL'))
        batch_op.drop_index(batch_op.f('ix_grant__person_id'))

    op.drop_table('grant_')
    op.drop_table('framework_item')
    with op.batch_alter_table('audit_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_event_at'))

    op.drop_table('audit_event')
    with op.batch_alter_table('account', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_account_person_id'))

    op.drop_table('account')
    with op.batch_alter_table('rate_limit', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rate_limit_full_at'))

    op.drop_table('rate_limit')
    op.drop_table('person')
    op.drop_table('hospital')
    op.drop_table('framework')
    op.drop_table('audit_root')
    op.drop_table('audit_chain')
    # ### end Alembic commands ###
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION IF EXISTS audit_event_refuse()")
        op.execute("DROP FUNCTION IF EXISTS audit_root_refuse()")
        op.execute("DROP FUNCTION IF EXISTS question_version_refuse()")
        op.execute("DROP FUNCTION IF EXISTS key_revision_refuse()")
        op.execute("DROP FUNCTION IF EXISTS exam_form_refuse()")
        op.execute("DROP FUNCTION IF EXISTS clock_event_refuse()")
        op.execute("DROP FUNCTION IF EXISTS response_event_refuse()")
        op.execute("DROP FUNCTION IF EXISTS grade_run_refuse()")
        op.execute("DROP FUNCTION IF EXISTS mark_refuse()")
        op.execute("DROP FUNCTION IF EXISTS grade_refuse()")
        op.execute("DROP FUNCTION IF EXISTS certificate_rule_version_refuse()")
        op.execute("DROP FUNCTION IF EXISTS certificate_refuse()")
        op.execute("DROP FUNCTION IF EXISTS lecture_completion_refuse()")
        op.execute("DROP FUNCTION IF EXISTS entry_refuse()")
        op.execute("DROP FUNCTION IF EXISTS entry_revision_refuse()")
        op.execute("DROP FUNCTION IF EXISTS entry_signature_refuse()")
        op.execute("DROP FUNCTION IF EXISTS entry_return_refuse()")
        op.execute("DROP FUNCTION IF EXISTS approval_refuse()")
