"""The signer's own key, withdrawal, the second signature, several at once, the code on the screen, and the whole logbook proved."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import joinedload

from lms.accounts import services as accounts
from lms.accounts.queries import actor_of
from lms.core import audit
from lms.core.db import db, transaction
from lms.core.digests import canonical_json, unseal, verify_ed25519
from lms.core.errors import NeedsConfirmation, NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.logbooks import cli, queries, rules, services
from lms.logbooks.models import Entry, EntryAct, EntryRevision, Handover, Signature, SigningKey
from lms.logbooks.rules import Content


def held(entry, by):
    """The entry as it stands, held for an act."""
    return queries.entry(entry.public_id, by, for_update=True)


def state_of(entry):
    """The state as the database has it."""
    return db.session.scalar(
        select(Entry.state).where(Entry.id == entry.id).execution_options(populate_existing=True)
    )


def withdraw(desk, entry, by=None):
    """The mentor takes the signature back."""
    by = by or desk.cast.mentor
    with transaction():
        return services.withdraw(held(entry, by), at=desk.at + timedelta(minutes=2), by=by)


def countersign(desk, entry, by=None, **given):
    """The second assessor signs too."""
    at = desk.at + timedelta(minutes=3)
    by = desk.confirmed(by or desk.cast.second_assessor, at=at)
    with transaction():
        return services.countersign(
            held(entry, by), **{"revision_no": 1, "level": 4, "words": "", **given}, at=at, by=by
        )


def tamper(table, statement, **values):
    """Change what the triggers guard, as somebody with the database's own password could."""
    with transaction():
        if db.engine.dialect.name == "sqlite":
            db.session.execute(text(f"DROP TRIGGER {table}_no_update"))
        else:
            db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        db.session.execute(text(statement), values)
    db.session.expire_all()


def links(desk):
    """What does not hold in the trainee's logbook."""
    return [broken.link for broken in queries.verify(desk.cast.enrolment.id).broken]


# ---------------------------------------------------------------- the key


def test_a_signature_is_made_by_the_signer_s_own_sealed_key(desk, app, settings):
    first, second = desk.sign(desk.log()), desk.sign(desk.log())
    other = desk.sign(desk.log(by=desk.cast.other_trainee), by=desk.cast.other_mentor)
    assert first.key_id == second.key_id != other.key_id
    key = db.session.get_one(SigningKey, first.key_id)
    assert key.person_id == desk.cast.mentor.person_id
    said = canonical_json(queries.said(first))
    assert verify_ed25519(said, bytes.fromhex(first.signature), public_key=bytes.fromhex(key.public_key))
    assert not verify_ed25519(said, bytes.fromhex(second.signature), public_key=bytes.fromhex(key.public_key))
    import base64

    assert len(unseal(base64.b64decode(key.sealed), settings.keys_passphrase)) == 32
    assert queries.keys_known()[key.public_id] == key.public_key


def test_the_statement_binds_record_level_words_method_and_key(desk, app):
    signature = desk.sign(desk.log(), level=2, words="先定位再进针")
    revision = db.session.scalars(select(EntryRevision)).one()
    assert queries.said(signature) == {
        "payload_sha256": revision.payload_sha256,
        "signer": signature.signer.public_id,
        "acted_as": "mentor",
        "kind": "sign",
        "level": 2,
        "words": "先定位再进针",
        "method": "pin",
        "signed_at": signature.signed_at.isoformat(timespec="microseconds"),
        "key": signature.key.public_id,
    }


@pytest.mark.parametrize("table", ["signing_key", "entry_signature", "entry_act", "entry_revision"])
def test_the_database_refuses_to_change_or_delete_what_was_signed(desk, app, table):
    entry = desk.log()
    desk.sign(entry)
    withdraw(desk, entry)
    column = {"entry_revision": "number", "signing_key": "number", "entry_act": "words"}.get(table, "level")
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError), transaction():
            db.session.execute(text(statement))


# ---------------------------------------------------------------- the whole logbook


def test_a_whole_logbook_holds(desk, app, capsys):
    desk.sign(desk.log())
    critical = desk.log()
    desk.sign(critical)
    countersign(desk, critical)
    withdrawn = desk.log()
    desk.sign(withdrawn)
    withdraw(desk, withdrawn)
    desk.sign(withdrawn, at=desk.at + timedelta(minutes=4))
    verdict = queries.verify(desk.cast.enrolment.id)
    assert verdict.broken == ()
    assert (verdict.entries, verdict.signatures) == (3, 5)
    assert cli.verify(desk.cast.enrolment.public_id) == 0
    assert "every link holds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "statement", "link"),
    [
        ("entry_signature", "UPDATE entry_signature SET level = 5", "statement"),
        ("entry_signature", "UPDATE entry_signature SET words = '独立完成'", "statement"),
        ("entry_signature", "UPDATE entry_signature SET signature = '00'", "signature"),
        ("entry_signature", "UPDATE entry_signature SET signature = 'no hex'", "signature"),
        ("entry_revision", "UPDATE entry_revision SET payload_sha256 = 'x'", "record"),
        ("signing_key", "UPDATE signing_key SET public_key = :zeros", "key"),
        ("entry", "UPDATE entry SET performed_on = '2020-01-01'", "entry"),
        ("entry", "UPDATE entry SET unit = 'PICU'", "entry"),
    ],
)
def test_every_broken_link_is_named(desk, app, capsys, table, statement, link):
    entry = desk.log()
    desk.sign(entry)
    tamper(table, statement, **({"zeros": "0" * 64} if ":zeros" in statement else {}))
    assert links(desk) == [link]
    assert cli.verify(desk.cast.enrolment.public_id) == 1
    out = capsys.readouterr().out
    assert f"BROKEN entry {entry.public_id}, version 1" in out


def test_a_signature_that_vanished_is_missed_and_so_is_a_broken_chain(desk, app):
    desk.sign(desk.log())
    tamper("audit_event", "UPDATE audit_event SET acted_as = 'second' WHERE act = 'logbooks.entry.sign'")
    assert links(desk) == ["chain"]
    with transaction():
        if db.engine.dialect.name == "sqlite":
            db.session.execute(text("DROP TRIGGER entry_signature_no_delete"))
        else:
            db.session.execute(text("ALTER TABLE entry_signature DISABLE TRIGGER USER"))
        db.session.execute(text("DELETE FROM entry_signature"))
    db.session.expire_all()
    assert set(links(desk)) == {"unsigned", "chain"}


def test_a_key_that_was_exchanged_together_with_the_signature_is_caught_by_the_trail_of_keys(desk, app):
    from lms.core.digests import ed25519_private_key, ed25519_public_key, sign_ed25519

    signature = desk.sign(desk.log())
    forged = ed25519_private_key()
    by_forger = sign_ed25519(canonical_json(queries.said(signature)), private_key=forged).hex()
    tamper(
        "signing_key",
        "UPDATE signing_key SET public_key = :key",
        key=ed25519_public_key(forged).hex(),
    )
    tamper("entry_signature", "UPDATE entry_signature SET signature = :signature", signature=by_forger)
    assert links(desk) == ["key"]


def test_an_unknown_enrolment_is_no_proof(app, capsys):
    assert cli.verify("2" * 12) == 2


def test_a_logbook_of_a_thousand_signatures_is_proved_whole(desk, app):
    """The same signature a thousand times over, in rows of their own with statements of their own."""
    first = desk.log()
    desk.sign(first)
    from lms.core.digests import digest_of, sign_ed25519

    with transaction():
        entry = db.session.get_one(Entry, first.id)
        signature = db.session.scalars(
            select(Signature).options(joinedload(Signature.signer), joinedload(Signature.key))
        ).one()
        revision = db.session.scalars(select(EntryRevision)).one()
        import base64

        key = unseal(base64.b64decode(signature.key.sealed), app.extensions["lms_settings"].keys_passphrase)
        columns = [
            c.name for c in Entry.__table__.columns if c.name not in {"id", "public_id", "client_uuid"}
        ]
        names = {c: getattr(entry, c) for c in columns}
        for number in range(999):
            copy = Entry(**{**names, "state": rules.DRAFT}, client_uuid=f"copy-{number:06d}")
            db.session.add(copy)
            db.session.flush()
            payload = {**revision.payload, "entry": copy.public_id}
            again = EntryRevision(
                entry_id=copy.id,
                number=1,
                payload=payload,
                payload_sha256=digest_of(payload),
                made_at=revision.made_at,
                account_id=revision.account_id,
            )
            db.session.add(again)
            db.session.flush()
            signed = Signature(
                entry_id=copy.id,
                revision_id=again.id,
                author_person_id=signature.author_person_id,
                signer_person_id=signature.signer_person_id,
                signer_account_id=signature.signer_account_id,
                acted_as="mentor",
                level=4,
                method="pin",
                payload_sha256=again.payload_sha256,
                signed_at=signature.signed_at,
                kind="sign",
                words="",
                batch="",
            )
            signed.key, signed.signer = signature.key, signature.signer
            said = queries.said(signed)
            signed.statement_sha256 = digest_of(said)
            signed.signature = sign_ed25519(canonical_json(said), private_key=key).hex()
            db.session.add(signed)
            db.session.flush()
            for state in (rules.SUBMITTED, rules.SIGNED):
                db.session.execute(
                    text("UPDATE entry SET state = :state WHERE id = :id"), {"state": state, "id": copy.id}
                )
            audit.record(
                "logbooks.entry.sign",
                scope=queries.chain_of(entry.enrolment_id),
                at=signature.signed_at,
                account_id=signature.signer_account_id,
                subject=f"entry:{copy.public_id}",
                revision=1,
                payload=signed.payload_sha256,
                statement=signed.statement_sha256,
            )
    db.session.expire_all()
    verdict = queries.verify(desk.cast.enrolment.id)
    assert (verdict.signatures, verdict.broken) == (1000, ())


# ---------------------------------------------------------------- withdraw


def test_a_withdrawn_signature_stays_in_the_record_counts_no_more_and_can_be_given_again(desk, app):
    entry = desk.log()
    desk.sign(entry, level=5)
    withdraw(desk, entry)
    assert state_of(entry) == rules.SUBMITTED
    assert queries.signed_count(desk.cast.enrolment.id) == 0
    assert (
        db.session.scalar(
            select(func.count()).select_from(Notice).where(Notice.kind == "logbooks.entry_signed")
        )
        == 0
    )
    desk.sign(entry, level=3, at=desk.at + timedelta(minutes=4))
    assert state_of(entry) == rules.SIGNED
    story = queries.history(queries.entry(entry.public_id, desk.cast.mentor))
    assert [step.act for step in story.steps] == ["submitted", "signed", "withdrawn", "signed"]
    assert [(one.broken, one.withdrawn) for one in story.signatures] == [("", True), ("", False)]
    assert [one.signature.number for one in story.signatures] == [1, 2]


@pytest.mark.parametrize("reader", ["trainee", "coordinator", "second_assessor"])
def test_a_signature_that_somebody_has_seen_cannot_be_withdrawn(desk, app, reader):
    entry = desk.log()
    desk.sign(entry)
    with transaction():
        services.note_seen([entry.id], at=desk.at, by=getattr(desk.cast, reader))
    with pytest.raises(RuleBroken) as problem:
        withdraw(desk, entry)
    assert problem.value.code == "signature_seen"
    assert state_of(entry) == rules.SIGNED


def test_the_signer_s_own_look_does_not_count_as_seen(desk, app):
    entry = desk.log()
    desk.sign(entry)
    with transaction():
        services.note_seen([entry.id], at=desk.at, by=desk.cast.mentor)
    withdraw(desk, entry)
    assert state_of(entry) == rules.SUBMITTED


def test_a_notice_that_was_read_means_the_signature_was_seen(desk, app):
    entry = desk.log()
    desk.sign(entry)
    with transaction():
        notice = db.session.scalars(select(Notice).where(Notice.kind == "logbooks.entry_signed")).one()
        notice.read_at = desk.at
    with pytest.raises(RuleBroken) as problem:
        withdraw(desk, entry)
    assert problem.value.code == "signature_seen"


def test_what_a_certificate_has_counted_cannot_be_withdrawn(desk, app):
    from lms.core import ports

    entry = desk.log()
    desk.sign(entry)
    before = list(ports.certificate_holders)
    ports.certificate_holders[:] = [frozenset]
    try:
        with pytest.raises(RuleBroken) as problem:
            withdraw(desk, entry)
    finally:
        ports.certificate_holders[:] = before
    assert problem.value.code == "signature_seen"


def test_the_database_takes_no_signed_entry_back_without_the_appended_act(desk, app):
    entry = desk.log()
    desk.sign(entry)
    with pytest.raises(DBAPIError), transaction():
        db.session.execute(text("UPDATE entry SET state = 'submitted' WHERE id = :id"), {"id": entry.id})
    with transaction():
        services.note_seen([entry.id], at=desk.at, by=desk.cast.trainee)
    with transaction():
        signature = db.session.scalars(select(Signature)).one()
        db.session.add(EntryAct(entry_id=entry.id, signature_id=signature.id, act="withdraw", at=desk.at))
    with pytest.raises(DBAPIError), transaction():  # seen
        db.session.execute(text("UPDATE entry SET state = 'submitted' WHERE id = :id"), {"id": entry.id})


# ---------------------------------------------------------------- correct, void


def test_a_correction_keeps_the_old_version_and_only_the_new_one_counts(desk, app):
    entry = desk.log(operator_role="P", success="yes")
    desk.sign(entry)
    with transaction():
        corrected = services.amend(
            held(entry, desk.cast.trainee),
            item=desk.item(),
            performed_on=entry.performed_on,
            content=Content(operator_role="A", age_band="7-28d"),
            signer_person_id=None,
            reason="我只是协助",
            at=desk.at + timedelta(minutes=2),
            by=desk.cast.trainee,
        )
    assert (state_of(entry), corrected.state, corrected.revision_no) == (rules.SUPERSEDED, rules.SUBMITTED, 2)
    assert queries.signed_count(desk.cast.enrolment.id) == 0
    assert not corrected.late
    revision = db.session.scalars(select(EntryRevision).where(EntryRevision.entry_id == corrected.id)).one()
    assert revision.payload["supersedes"] == entry.public_id
    desk.sign(corrected, at=desk.at + timedelta(minutes=3))
    assert queries.signed_count(desk.cast.enrolment.id) == 1
    assert links(desk) == []


def test_the_signer_may_correct_too_and_the_author_stays_the_author(desk, app):
    entry = desk.log()
    desk.sign(entry)
    with transaction():
        corrected = services.amend(
            held(entry, desk.cast.mentor),
            item=desk.item(),
            performed_on=entry.performed_on,
            content=Content(operator_role="O", age_band="7-28d"),
            signer_person_id=None,
            reason="当时由我操作",
            at=desk.at + timedelta(minutes=2),
            by=desk.cast.mentor,
        )
    assert corrected.author_person_id == desk.cast.trainee.person_id
    assert corrected.signer_person_id == desk.cast.mentor.person_id
    kinds = db.session.scalars(
        select(Notice.kind).where(Notice.account_id == desk.cast.trainee.account_id)
    ).all()
    assert "logbooks.entry_amended" in kinds


@pytest.mark.parametrize(
    ("reason", "words", "code"), [("whim", "x", "reason_missing"), ("duplicate", "", "reason_missing")]
)
def test_a_void_entry_needs_a_reason_of_the_list_and_words(desk, app, reason, words, code):
    entry = desk.log()
    desk.sign(entry)
    with pytest.raises(RuleBroken) as problem, transaction():
        services.void(
            held(entry, desk.cast.director), reason=reason, words=words, at=desk.at, by=desk.cast.director
        )
    assert problem.value.code == code
    assert state_of(entry) == rules.SIGNED


# ---------------------------------------------------------------- the second signature


def test_a_second_signature_is_asked_for_only_on_critical_items_and_major_complications(desk, app):
    routine = desk.log(code="N12")
    desk.sign(routine)
    with pytest.raises(RuleBroken) as problem:
        countersign(desk, routine)
    assert problem.value.code == "second_not_needed"
    major = desk.log(code="N12", complication="major")
    desk.sign(major, words="出血，已压迫止血")
    assert {row.id for row in queries.to_second(desk.cast.second_assessor)} == {major.id}
    assert countersign(desk, major, words="已一起复盘").acted_as == "second"
    assert not queries.to_second(desk.cast.second_assessor)


def test_the_first_signer_is_no_second_even_by_another_account(desk, app):
    from lms.accounts.models import Person

    entry = desk.log()
    desk.sign(entry)
    with transaction():
        person = db.session.get_one(Person, desk.cast.mentor.person_id)
        account = accounts.add_account(person, login="wang-again@example.org", at=desk.at, by=None)
    for by in (desk.cast.mentor, actor_of(account, at=desk.at)):
        with pytest.raises(NotAllowed):
            countersign(desk, entry, by=by)


def test_a_unit_lead_seconds_without_a_pairing(desk, app):
    entry = desk.log()
    desk.sign(entry)
    assert [row.id for row in queries.to_second(desk.unit_lead)] == [entry.id]
    assert countersign(desk, entry, by=desk.unit_lead).acted_as == "unit_lead"


def test_the_list_of_seconds_holds_exactly_what_the_policy_admits(desk, app):
    from lms import policy

    for code in ("N12", "N13"):
        desk.sign(desk.log(code=code))
    desk.sign(desk.log(signer=desk.cast.second_assessor.person_id), by=desk.cast.second_assessor)
    everything = db.session.scalars(queries.shown(select(Entry))).all()
    for who, by in {**desk.cast.everyone(), "unit_lead": desk.unit_lead}.items():
        admitted = {
            entry.id
            for entry in everything
            if entry.state == rules.SIGNED
            and rules.needs_second(critical=entry.item.critical, complication=entry.facts.complication)
            and policy.allows(by, policy.Permission.ENTRY_COUNTERSIGN, queries.scope_of(entry))
        }
        assert {row.id for row in queries.to_second(by)} == admitted, who


# ---------------------------------------------------------------- several at once


def several(desk, entries, *, level=4, by=None):
    """The mentor signs these together."""
    at = desk.at + timedelta(minutes=1)
    by = desk.confirmed(by or desk.cast.mentor, at=at)
    with transaction():
        return services.sign_several([(held(one, by), 1, level) for one in entries], at=at, by=by)


def test_ten_at_once_are_ten_signatures_of_one_sitting(desk, app):
    entries = [desk.log(code="N12") for _ in range(10)]
    signatures = several(desk, entries)
    assert len({one.id for one in signatures}) == 10
    assert len({one.batch for one in signatures}) == 1
    assert signatures[0].batch
    assert links(desk) == []


@pytest.mark.parametrize(
    ("facts", "level", "number", "code"),
    [
        ({"code": "N12"}, 4, 11, "bulk_many"),
        ({"code": "N13"}, 4, 2, "bulk_routine"),
        ({"code": "N12", "operator_role": "S_TU"}, 4, 1, "bulk_routine"),
        ({"code": "N12", "complication": "minor"}, 4, 1, "bulk_routine"),
        ({"code": "N12", "success": "no"}, 4, 1, "bulk_routine"),
        ({"code": "N12"}, 2, 1, "bulk_routine"),
        ({"code": "N12"}, 4, 0, "nothing_chosen"),
    ],
)
def test_only_a_few_routine_entries_are_signed_together(desk, app, facts, level, number, code):
    entries = [desk.log(**facts) for _ in range(number)]
    with pytest.raises(RuleBroken) as problem:
        several(desk, entries, level=level)
    assert problem.value.code == code
    assert db.session.scalar(select(func.count()).select_from(Signature)) == 0


def test_one_that_cannot_be_signed_holds_back_all(desk, app):
    mine, other = desk.log(code="N12"), desk.log(code="N12", signer=desk.cast.second_assessor.person_id)
    with pytest.raises(NotAllowed):
        several(desk, [mine, other])
    assert state_of(mine) == rules.SUBMITTED


# ---------------------------------------------------------------- the code on the screen


def test_a_code_opens_its_entry_once_within_ten_minutes_for_its_signer_only(desk, app):
    entry = desk.log()
    with transaction():
        code = services.hand_over(held(entry, desk.cast.trainee), at=desk.at, by=desk.cast.trainee)
    assert code not in str(db.session.scalar(select(Handover.token_sha256)))
    for who in ("trainee", "other_mentor", "stranger", "director"):
        with pytest.raises(NotFound), transaction():
            services.take_over(code, at=desk.at, by=getattr(desk.cast, who))
    with pytest.raises(RuleBroken) as problem, transaction():
        services.take_over(code, at=desk.at + timedelta(minutes=10), by=desk.cast.mentor)
    assert problem.value.code == "handover_over"
    with transaction():
        opened = services.take_over(code, at=desk.at + timedelta(minutes=9, seconds=59), by=desk.cast.mentor)
    assert opened.id == entry.id
    with pytest.raises(RuleBroken) as problem, transaction():
        services.take_over(code, at=desk.at + timedelta(minutes=9, seconds=59), by=desk.cast.mentor)
    assert problem.value.code == "handover_over"
    with pytest.raises(NotFound), transaction():
        services.take_over("no such code", at=desk.at, by=desk.cast.mentor)


@pytest.mark.parametrize("who", ["mentor", "second_assessor", "coordinator"])
def test_only_the_author_shows_a_code(desk, app, who):
    by = getattr(desk.cast, who)
    entry = desk.log()
    with pytest.raises(NotAllowed), transaction():
        services.hand_over(held(entry, by), at=desk.at, by=by)


def test_a_second_signature_needs_a_fresh_confirmation_too(desk, app):
    entry = desk.log()
    desk.sign(entry)
    by = desk.cast.second_assessor
    with pytest.raises(NeedsConfirmation), transaction():
        services.countersign(held(entry, by), revision_no=1, level=4, words="", at=desk.at, by=by)
