"""the signer's own key, withdrawal, correction, hand-over, late windows, reflections

Revision ID: 0017
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0010'
branch_labels = None
depends_on = None

APPEND_ONLY = ("entry_act", "signing_key", "late_window")

ENTRY_BEFORE = (
    'NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.enrolment_id = OLD.enrolment_id AND NEW.cohort_id = OLD.cohort_id AND NEW.author_person_id = OLD.author_person_id AND NEW.author_account_id = OLD.author_account_id AND NEW.client_uuid = OLD.client_uuid AND NEW.created_at = OLD.created_at'
    " AND ((OLD.state = 'countersigned' AND NEW.state = 'superseded') OR (OLD.state = 'countersigned' AND NEW.state = 'voided') OR (OLD.state = 'declined' AND NEW.state = 'lapsed') OR (OLD.state = 'declined' AND NEW.state = 'submitted') OR (OLD.state = 'draft' AND NEW.state = 'discarded') OR (OLD.state = 'draft' AND NEW.state = 'lapsed') OR (OLD.state = 'draft' AND NEW.state = 'submitted') OR (OLD.state = 'returned' AND NEW.state = 'lapsed') OR (OLD.state = 'returned' AND NEW.state = 'submitted') OR (OLD.state = 'signed' AND NEW.state = 'countersigned') OR (OLD.state = 'signed' AND NEW.state = 'superseded') OR (OLD.state = 'signed' AND NEW.state = 'voided') OR (OLD.state = 'submitted' AND NEW.state = 'declined') OR (OLD.state = 'submitted' AND NEW.state = 'draft') OR (OLD.state = 'submitted' AND NEW.state = 'lapsed') OR (OLD.state = 'submitted' AND NEW.state = 'returned') OR (OLD.state = 'submitted' AND NEW.state = 'signed') OR (NEW.state = OLD.state AND OLD.state IN ('declined', 'draft', 'returned', 'submitted')))"
    " AND (OLD.state IN ('declined', 'draft', 'returned') OR (NEW.placement_id = OLD.placement_id AND NEW.unit = OLD.unit AND NEW.item_id = OLD.item_id AND NEW.performed_on = OLD.performed_on AND NEW.content = OLD.content AND NEW.revision_no = OLD.revision_no AND NEW.late = OLD.late AND COALESCE(NEW.signer_person_id, 0) = COALESCE(OLD.signer_person_id, 0)"
    ' AND (NEW.signer_person_id IS NULL) = (OLD.signer_person_id IS NULL) AND COALESCE(NEW.first_submitted_at, NEW.created_at) = COALESCE(OLD.first_submitted_at, OLD.created_at)'
    ' AND (NEW.first_submitted_at IS NULL) = (OLD.first_submitted_at IS NULL) AND COALESCE(NEW.submitted_at, NEW.created_at) = COALESCE(OLD.submitted_at, OLD.created_at)'
    ' AND (NEW.submitted_at IS NULL) = (OLD.submitted_at IS NULL)))'
    " AND (OLD.state IN ('declined', 'draft', 'returned', 'submitted') OR (COALESCE(NEW.opened_at, NEW.created_at) = COALESCE(OLD.opened_at, OLD.created_at)"
    ' AND (NEW.opened_at IS NULL) = (OLD.opened_at IS NULL) AND COALESCE(NEW.decided_at, NEW.created_at) = COALESCE(OLD.decided_at, OLD.created_at)'
    ' AND (NEW.decided_at IS NULL) = (OLD.decided_at IS NULL)))'
    " AND (NEW.state <> 'submitted' OR EXISTS (SELECT 1 FROM entry_revision r WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no))"
    " AND (NEW.state <> 'signed' OR EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND s.kind = 'sign'))"
    " AND (NEW.state <> 'countersigned' OR EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND s.kind = 'countersign'))"
)

ENTRY = (
    'NEW.id = OLD.id AND NEW.public_id = OLD.public_id AND NEW.enrolment_id = OLD.enrolment_id AND NEW.cohort_id = OLD.cohort_id AND NEW.author_person_id = OLD.author_person_id AND NEW.author_account_id = OLD.author_account_id AND NEW.client_uuid = OLD.client_uuid AND NEW.created_at = OLD.created_at AND COALESCE(NEW.supersedes_id, 0) = COALESCE(OLD.supersedes_id, 0)'
    ' AND (NEW.supersedes_id IS NULL) = (OLD.supersedes_id IS NULL)'
    " AND ((OLD.state = 'countersigned' AND NEW.state = 'superseded') OR (OLD.state = 'countersigned' AND NEW.state = 'voided') OR (OLD.state = 'declined' AND NEW.state = 'lapsed') OR (OLD.state = 'declined' AND NEW.state = 'submitted') OR (OLD.state = 'draft' AND NEW.state = 'discarded') OR (OLD.state = 'draft' AND NEW.state = 'lapsed') OR (OLD.state = 'draft' AND NEW.state = 'submitted') OR (OLD.state = 'lapsed' AND NEW.state = 'draft') OR (OLD.state = 'returned' AND NEW.state = 'lapsed') OR (OLD.state = 'returned' AND NEW.state = 'submitted') OR (OLD.state = 'signed' AND NEW.state = 'countersigned') OR (OLD.state = 'signed' AND NEW.state = 'submitted') OR (OLD.state = 'signed' AND NEW.state = 'superseded') OR (OLD.state = 'signed' AND NEW.state = 'voided') OR (OLD.state = 'submitted' AND NEW.state = 'declined') OR (OLD.state = 'submitted' AND NEW.state = 'draft') OR (OLD.state = 'submitted' AND NEW.state = 'lapsed') OR (OLD.state = 'submitted' AND NEW.state = 'returned') OR (OLD.state = 'submitted' AND NEW.state = 'signed') OR (NEW.state = OLD.state AND OLD.state IN ('declined', 'draft', 'returned', 'signed', 'submitted')))"
    " AND (OLD.state IN ('declined', 'draft', 'returned') OR (NEW.placement_id = OLD.placement_id AND NEW.unit = OLD.unit AND NEW.item_id = OLD.item_id AND NEW.performed_on = OLD.performed_on AND NEW.content = OLD.content AND NEW.revision_no = OLD.revision_no AND NEW.late = OLD.late AND COALESCE(NEW.signer_person_id, 0) = COALESCE(OLD.signer_person_id, 0)"
    ' AND (NEW.signer_person_id IS NULL) = (OLD.signer_person_id IS NULL) AND COALESCE(NEW.first_submitted_at, NEW.created_at) = COALESCE(OLD.first_submitted_at, OLD.created_at)'
    ' AND (NEW.first_submitted_at IS NULL) = (OLD.first_submitted_at IS NULL) AND COALESCE(NEW.submitted_at, NEW.created_at) = COALESCE(OLD.submitted_at, OLD.created_at)'
    ' AND (NEW.submitted_at IS NULL) = (OLD.submitted_at IS NULL)))'
    " AND (OLD.state IN ('declined', 'draft', 'returned', 'submitted') OR (OLD.state = 'signed' AND NEW.state = 'submitted') OR (COALESCE(NEW.opened_at, NEW.created_at) = COALESCE(OLD.opened_at, OLD.created_at)"
    ' AND (NEW.opened_at IS NULL) = (OLD.opened_at IS NULL) AND COALESCE(NEW.decided_at, NEW.created_at) = COALESCE(OLD.decided_at, OLD.created_at)'
    ' AND (NEW.decided_at IS NULL) = (OLD.decided_at IS NULL)))'
    " AND (NOT (OLD.state = 'signed' AND NEW.state = 'submitted') OR (OLD.seen_at IS NULL AND NOT EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND NOT EXISTS (SELECT 1 FROM entry_act a WHERE a.signature_id = s.id))))"
    ' AND (OLD.seen_at IS NULL OR COALESCE(NEW.seen_at, NEW.created_at) = OLD.seen_at)'
    " AND (NEW.state <> 'submitted' OR EXISTS (SELECT 1 FROM entry_revision r WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no))"
    " AND (NEW.state <> 'signed' OR EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND NOT EXISTS (SELECT 1 FROM entry_act a WHERE a.signature_id = s.id) AND s.kind = 'sign'))"
    " AND (NEW.state <> 'countersigned' OR EXISTS (SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no AND NOT EXISTS (SELECT 1 FROM entry_act a WHERE a.signature_id = s.id) AND s.kind = 'countersign'))"
)


def guard(table: str, unless: str = "") -> None:
    """Make a table append-only, but for updates that fulfil ``unless``."""
    if op.get_bind().dialect.name == "sqlite":
        condition = f"WHEN NOT COALESCE(({unless}), 0) " if unless else ""
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF {unless or 'FALSE'} THEN RETURN NEW; END IF; END IF; "
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
    op.create_table('signing_key',
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('public_key', sa.String(length=64), nullable=False),
        sa.Column('sealed', sa.String(length=300), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_signing_key_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_signing_key')),
        sa.UniqueConstraint('person_id', 'number', name=op.f('uq_signing_key_person_id_number')),
        sa.UniqueConstraint('public_id', name=op.f('uq_signing_key_public_id')),
    )
    unguard('entry')
    unguard('entry_signature')
    with op.batch_alter_table('entry_signature') as batch_op:
        batch_op.add_column(sa.Column('number', sa.Integer(), server_default='1', nullable=False))
        batch_op.add_column(sa.Column('key_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('signature', sa.String(length=128), server_default='', nullable=False))
        batch_op.add_column(sa.Column('batch', sa.String(length=12), server_default='', nullable=False))
        batch_op.drop_constraint(op.f('uq_entry_signature_revision_id_kind'), type_='unique')
        batch_op.create_unique_constraint(op.f('uq_entry_signature_revision_id_kind_number'), ['revision_id', 'kind', 'number'])
        batch_op.create_foreign_key(op.f('fk_entry_signature_key_id_signing_key'), 'signing_key', ['key_id'], ['id'])
    guard('entry_signature')
    op.create_table('entry_act',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('entry_id', sa.Integer(), nullable=False),
        sa.Column('signature_id', sa.Integer(), nullable=True),
        sa.Column('act', sa.String(length=10), nullable=False),
        sa.Column('reason', sa.String(length=20), nullable=False),
        sa.Column('words', sa.String(length=500), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=True),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("act IN ('withdraw', 'amend', 'void', 'revive', 'lapse')", name=op.f('ck_entry_act_act')),
        sa.CheckConstraint("(act = 'withdraw') = (signature_id IS NOT NULL)", name=op.f('ck_entry_act_signature')),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_entry_act_account_id_account')),
        sa.ForeignKeyConstraint(['entry_id'], ['entry.id'], name=op.f('fk_entry_act_entry_id_entry')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_entry_act_person_id_person')),
        sa.ForeignKeyConstraint(['signature_id'], ['entry_signature.id'], name=op.f('fk_entry_act_signature_id_entry_signature')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_entry_act')),
        sa.UniqueConstraint('signature_id', name=op.f('uq_entry_act_signature_id')),
    )
    op.create_index('ix_entry_act_entry', 'entry_act', ['entry_id'])
    op.create_table('late_window',
        sa.Column('enrolment_id', sa.Integer(), nullable=False),
        sa.Column('from_on', sa.Date(), nullable=False),
        sa.Column('to_on', sa.Date(), nullable=False),
        sa.Column('reason', sa.String(length=500), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('public_id', sa.String(length=12), nullable=False),
        sa.CheckConstraint('to_on >= from_on', name=op.f('ck_late_window_dates')),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_late_window_account_id_account')),
        sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_late_window_enrolment_id_enrolment')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_late_window_person_id_person')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_late_window')),
        sa.UniqueConstraint('public_id', name=op.f('uq_late_window_public_id')),
    )
    op.create_index(op.f('ix_late_window_enrolment_id'), 'late_window', ['enrolment_id'])
    op.create_table('entry_handover',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('entry_id', sa.Integer(), nullable=False),
        sa.Column('token_sha256', sa.String(length=64), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['entry_id'], ['entry.id'], name=op.f('fk_entry_handover_entry_id_entry')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_entry_handover')),
        sa.UniqueConstraint('token_sha256', name=op.f('uq_entry_handover_token_sha256')),
    )
    op.create_index(op.f('ix_entry_handover_entry_id'), 'entry_handover', ['entry_id'])
    op.create_table('reflection',
        sa.Column('entry_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('text', sa.String(length=600), nullable=False),
        sa.Column('shared', sa.Boolean(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['entry_id'], ['entry.id'], name=op.f('fk_reflection_entry_id_entry')),
        sa.PrimaryKeyConstraint('entry_id', name=op.f('pk_reflection')),
    )
    # In words of its own: SQLite would otherwise build the table anew, to which others hold on.
    op.execute("ALTER TABLE entry ADD COLUMN supersedes_id INTEGER CONSTRAINT fk_entry_supersedes_id_entry REFERENCES entry (id)")
    op.add_column('entry', sa.Column('escalated', sa.Integer(), server_default='0', nullable=False))
    op.add_column('entry', sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f('ix_entry_supersedes_id'), 'entry', ['supersedes_id'])
    op.execute("UPDATE entry SET seen_at = decided_at WHERE state = 'signed'")
    guard('entry', ENTRY)
    for table in APPEND_ONLY:
        guard(table)


def downgrade() -> None:
    for table in APPEND_ONLY:
        unguard(table)
    unguard('entry')
    op.drop_index(op.f('ix_entry_supersedes_id'), 'entry')
    for name in ('seen_at', 'escalated', 'supersedes_id'):
        op.drop_column('entry', name)
    for table in ('reflection', 'entry_handover', 'late_window', 'entry_act'):
        op.drop_table(table)
    unguard('entry_signature')
    with op.batch_alter_table('entry_signature') as batch_op:
        batch_op.drop_constraint(op.f('fk_entry_signature_key_id_signing_key'), type_='foreignkey')
        batch_op.drop_constraint(op.f('uq_entry_signature_revision_id_kind_number'), type_='unique')
        batch_op.create_unique_constraint(op.f('uq_entry_signature_revision_id_kind'), ['revision_id', 'kind'])
        for name in ('batch', 'signature', 'key_id', 'number'):
            batch_op.drop_column(name)
    guard('entry_signature')
    op.drop_table('signing_key')
    guard('entry', ENTRY_BEFORE)
