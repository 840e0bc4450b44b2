"""What was signed stays: the database refuses change, and a change behind its back is seen."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from lms.core.db import db, transaction
from lms.logbooks import queries, rules


def run(statement, **values):
    """Raw SQL past every service."""
    with transaction():
        db.session.execute(text(statement), values)


def refused(statement, **values) -> bool:
    """Whether the database itself refuses a statement."""
    try:
        run(statement, **values)
    except DBAPIError:
        return True
    return False


ENTRY_COLUMNS = {
    "state": "'draft'",
    "item_id": "item_id + 1",
    "performed_on": "'2020-01-01'",
    "content": """'{"operator_role": "P"}'""",
    "signer_person_id": "NULL",
    "revision_no": "revision_no + 1",
    "placement_id": "placement_id + 1",
    "unit": "'PICU'",
    "late": "NOT late",
    "author_person_id": "author_person_id + 1",
    "enrolment_id": "enrolment_id + 1",
    "client_uuid": "'another'",
    "submitted_at": "NULL",
    "first_submitted_at": "NULL",
    "opened_at": "NULL",
    "decided_at": "NULL",
    "created_at": "'2020-01-01 00:00:00'",
}


def test_no_column_of_a_signed_entry_can_be_changed(desk, app):
    entry = desk.log()
    desk.sign(entry)
    for column, value in ENTRY_COLUMNS.items():
        assert refused(f"UPDATE entry SET {column} = {value} WHERE id = :id", id=entry.id), column


def test_a_submitted_entry_keeps_what_its_signer_reads(desk, app):
    entry = desk.log()
    for column in ENTRY_COLUMNS.keys() - {"state", "opened_at", "decided_at"}:
        assert refused(f"UPDATE entry SET {column} = {ENTRY_COLUMNS[column]} WHERE id = :id", id=entry.id), (
            column
        )


@pytest.mark.parametrize("before", [rules.SUBMITTED, rules.SIGNED, rules.RETURNED])
def test_the_database_knows_the_table_of_moves(desk, app, before):
    """Raw SQL gets only where the machine goes, and to a signed state only with a signature."""
    entry = None
    for after in rules.STATES:
        if entry is None:
            entry = desk.log()
            if before == rules.SIGNED:
                desk.sign(entry)
            if before == rules.RETURNED:
                desk.give_back(entry)
        known = any(before in way.before and after == way.after for way in rules.MOVES.values())
        withdrawal = (before, after) == (rules.SIGNED, rules.SUBMITTED)  # needs its appended act
        allowed = before == after or (
            known and after not in {rules.SIGNED, rules.COUNTERSIGNED} and not withdrawal
        )
        assert (
            refused("UPDATE entry SET state = :after WHERE id = :id", after=after, id=entry.id) is not allowed
        ), after
        if allowed:
            entry = None


FOR_EVER = (
    "UPDATE entry_signature SET level = 5",
    "UPDATE entry_signature SET words = 'better'",
    "DELETE FROM entry_signature",
    "UPDATE entry_revision SET payload_sha256 = 'x'",
    "UPDATE entry_revision SET payload = '{}'",
    "DELETE FROM entry_revision",
    "UPDATE entry_return SET words = 'x'",
    "DELETE FROM entry_return",
    "DELETE FROM entry",
)


def test_signatures_revisions_and_returns_are_append_only(desk, app):
    desk.sign(desk.log())
    desk.give_back(desk.log())
    for statement in FOR_EVER:
        assert refused(statement), statement


# ---------------------------------------------------------------- behind the database's back


def tamper(table, statement, **values):
    """Change a row as somebody could who owns the database: without its triggers."""
    with transaction():
        if db.engine.dialect.name == "sqlite":
            db.session.execute(text(f"DROP TRIGGER {table}_no_update"))
        else:
            db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        db.session.execute(text(statement), values)


def verdict(desk, entry) -> str:
    """What the page of the entry would say about its signature: the broken link, or nothing."""
    with transaction():
        db.session.expire_all()
        found = queries.entry(entry.public_id, desk.cast.mentor)
        return queries.history(found).signatures[0].broken


@pytest.fixture
def signed(desk, app):
    """A signed entry of a lumbar puncture that the trainee assisted."""
    entry = desk.log(note="第二次进针成功。")
    desk.sign(entry, level=3)
    return entry


def test_an_untouched_record_holds(desk, signed):
    assert verdict(desk, signed) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"operator_role": "A"', '"operator_role": "P"'),
        ("新生儿腰椎穿刺", "新生儿腰椎穿刺 "),
        ("第二次", "第一次"),
    ],
)
def test_a_changed_payload_is_shown_as_broken(desk, signed, before, after):
    cast = "::jsonb" if db.engine.dialect.name != "sqlite" else ""
    source = "payload::text" if cast else "payload"
    escaped = (
        (before.encode("unicode_escape").decode(), after.encode("unicode_escape").decode())
        if not cast
        else (before, after)
    )
    tamper(
        "entry_revision",
        f"UPDATE entry_revision SET payload = REPLACE({source}, :before, :after){cast}".replace(
            "REPLACE(", "(REPLACE("
        ).replace(":after)", ":after))"),
        before=escaped[0],
        after=escaped[1],
    )
    assert verdict(desk, signed) == "record"


def test_a_payload_changed_together_with_its_digests_is_caught_by_the_trail(desk, signed):
    from sqlalchemy import select
    from sqlalchemy.orm import joinedload

    from lms.core.digests import digest_of
    from lms.logbooks.models import EntryRevision, Signature

    with transaction():
        revision = db.session.scalars(select(EntryRevision)).one()
        signature = db.session.scalars(
            select(Signature).options(joinedload(Signature.signer), joinedload(Signature.key))
        ).one()
        forged = {**revision.payload, "content": {**revision.payload["content"], "operator_role": "P"}}
        digest = digest_of(forged)
        signature.payload_sha256 = digest
        statement = digest_of(queries.said(signature))
        db.session.expire(signature)
    with transaction():
        for table in ("entry_revision", "entry_signature"):
            if db.engine.dialect.name == "sqlite":
                db.session.execute(text(f"DROP TRIGGER {table}_no_update"))
            else:
                db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        db.session.get_one(EntryRevision, revision.id).payload = forged
        db.session.flush()
        db.session.execute(text("UPDATE entry_revision SET payload_sha256 = :digest"), {"digest": digest})
        db.session.execute(
            text("UPDATE entry_signature SET payload_sha256 = :digest, statement_sha256 = :statement"),
            {"digest": digest, "statement": statement},
        )
    assert verdict(desk, signed) == "trail"


@pytest.mark.parametrize(
    "change", ["level = 5", "words = '独立完成'", "acted_as = 'second'", "method = 'passkey'"]
)
def test_a_changed_statement_is_shown_as_broken(desk, signed, change):
    tamper("entry_signature", f"UPDATE entry_signature SET {change}")
    assert verdict(desk, signed) == "statement"


def test_a_record_that_was_changed_before_it_is_signed_cannot_be_signed(desk, app):
    from lms.core.errors import RuleBroken

    entry = desk.log()
    tamper("entry_revision", "UPDATE entry_revision SET payload = '{}'")
    with transaction():
        db.session.expire_all()
        found = queries.entry(entry.public_id, desk.cast.mentor)
    with pytest.raises(RuleBroken) as problem:
        desk.sign(found, at=desk.at + timedelta(minutes=1))
    assert problem.value.code == "record_broken"
