"""Acts of those who sign: open, sign, countersign, withdraw, give back; and of the director: void, revive."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import update

from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.core import deid, ids, retractions
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.core.ports import FactChanged, certificate_holders, fact_changed
from lms.logbooks import queries, rules
from lms.logbooks.models import Entry, EntryAct, EntryReturn, Signature
from lms.logbooks.services.keys import key_of, signed_with
from lms.logbooks.services.record import (
    DECLINED,
    RETURNED,
    SECOND,
    SIGNED,
    VOIDED,
    appended,
    fact_key,
    plain,
    record,
    require,
    tell,
)
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes

_ACTED_AS = {"primary": "mentor", "second": "second", "deputy": "deputy"}


def note_opened(entry_ids: list[int], *, at: datetime, by: Actor) -> None:
    """Note that the signer has these entries on the screen; from now on they cannot be recalled."""
    db.session.execute(
        update(Entry)
        .where(
            Entry.id.in_(entry_ids),
            Entry.signer_person_id == by.person_id,
            Entry.state == rules.SUBMITTED,
            Entry.opened_at.is_(None),
        )
        .values(opened_at=at)
        .execution_options(synchronize_session=False)
    )


def note_seen(entry_ids: list[int], *, at: datetime, by: Actor) -> None:
    """Note that somebody other than the signer reads these signatures; from now on they cannot be withdrawn."""
    db.session.execute(
        update(Entry)
        .where(
            Entry.id.in_(entry_ids),
            Entry.signer_person_id != by.person_id,
            Entry.state == rules.SIGNED,
            Entry.seen_at.is_(None),
        )
        .values(seen_at=at)
        .execution_options(synchronize_session=False)
    )


def sign(
    entry: Entry, *, revision_no: int, level: int, words: str, at: datetime, by: Actor, batch: str = ""
) -> Signature:
    """Sign one revision at an entrustment level; twice is once.

    The entry is held ``for_update``. Needs a confirmation of the last five minutes (raises NeedsConfirmation) and a
    pairing with the trainee that is valid on the day it was done.
    """
    require(by, Permission.ENTRY_SIGN, entry)
    if entry.state == rules.SIGNED and entry.revision_no == revision_no:
        done = queries.signature_of(entry)
        if done is not None and done.signer_person_id == by.person_id:
            return done
    after = rules.move(entry.state, "sign")
    signature = _signed(
        entry,
        "sign",
        revision_no=revision_no,
        level=level,
        words=words,
        batch=batch,
        acted_as=lambda: _acted_as(entry, by),
        at=at,
        by=by,
    )
    entry.state, entry.decided_at = after, at
    entry.opened_at = entry.opened_at or at
    db.session.flush()
    tell(entry.author_person_id, SIGNED, entry, {"signer": by.name, "level": level}, url="/logbook", at=at)
    if rules.needs_second(critical=entry.item.critical, complication=entry.facts.complication):
        for person_id in sorted(queries.seconds_of(entry)):
            tell(
                person_id,
                SECOND,
                entry,
                {"trainee": entry.author.name, "day": entry.performed_on.isoformat()},
                url="/to-sign",
                at=at,
                once=fact_key(entry, "second"),
            )
    fact_changed.tell(FactChanged("entries_signed", entry.enrolment_id, at))
    return signature


def sign_several(chosen: Sequence[tuple[Entry, int, int]], *, at: datetime, by: Actor) -> list[Signature]:
    """L7: sign up to ten routine entries, each shown in full: (entry held ``for_update``, revision, level) each.

    Every entry gets a signature of its own, marked with the sitting's number.
    """
    rules.require_bulk(
        [(entry.facts, entry.item.critical) for entry, _revision, _level in chosen],
        [level for _entry, _revision, level in chosen],
    )
    batch = ids.public_id()
    return [
        sign(entry, revision_no=revision, level=level, words="", batch=batch, at=at, by=by)
        for entry, revision, level in chosen
    ]


def countersign(
    entry: Entry, *, revision_no: int, level: int, words: str, at: datetime, by: Actor
) -> Signature:
    """The second signature on a critical item or a major complication; twice is once. The entry is held ``for_update``."""
    require(by, Permission.ENTRY_COUNTERSIGN, entry)
    if entry.state == rules.COUNTERSIGNED and entry.revision_no == revision_no:
        done = queries.signature_of(entry, kind="countersign")
        if done is not None and done.signer_person_id == by.person_id:
            return done
    after = rules.move(entry.state, "countersign")
    rules.require_second_needed(critical=entry.item.critical, complication=entry.facts.complication)
    signature = _signed(
        entry,
        "countersign",
        revision_no=revision_no,
        level=level,
        words=words,
        batch="",
        acted_as=lambda: _seconded_as(entry, by),
        at=at,
        by=by,
    )
    entry.state = after
    db.session.flush()
    tell(entry.author_person_id, SIGNED, entry, {"signer": by.name, "level": level}, url="/logbook", at=at)
    return signature


def _signed(
    entry: Entry,
    kind: str,
    *,
    revision_no: int,
    level: int,
    words: str,
    batch: str,
    acted_as: Callable[[], str],
    at: datetime,
    by: Actor,
) -> Signature:
    """A signature of the actor's on the revision that was on the screen, with their own key, in the trail."""
    rules.require_revision(revision_no, entry.revision_no)
    rules.require_level(level)
    words = plain(words)
    rules.require_words(level, entry.facts, words)
    deid.require_clean(words, field="words")
    method = accounts.confirmation(by, at=at)
    revision = queries.revision_of(entry)
    if revision is None:
        raise NotFound
    if digest_of(revision.payload) != revision.payload_sha256:
        raise RuleBroken(
            "record_broken",
            _("This record does not match its digest any more. Tell your administrator; do not sign it."),
        )
    key = key_of(by, at=at)
    signature = Signature(
        public_id=ids.public_id(),
        entry_id=entry.id,
        revision_id=revision.id,
        kind=kind,
        number=queries.signatures_made(revision.id, kind) + 1,
        author_person_id=entry.author_person_id,
        signer_person_id=by.person_id,
        signer_account_id=by.account_id,
        acted_as=acted_as(),
        level=level,
        words=words,
        method=method,
        batch=batch,
        payload_sha256=revision.payload_sha256,
        opened_at=entry.opened_at,
        signed_at=at,
    )
    signature.key, signature.signer = key, db.session.get_one(Person, by.person_id)
    said = queries.said(signature)
    signature.statement_sha256 = digest_of(said)
    signature.signature = signed_with(key, said)
    db.session.add(signature)
    db.session.flush()  # the trigger lets the entry on only when its signature is there
    record(
        entry,
        kind,
        at=at,
        by=by,
        acted_as=signature.acted_as,
        revision=revision.number,
        level=level,
        method=method,
        key=key.public_id,
        payload=signature.payload_sha256,
        statement=signature.statement_sha256,
    )
    return signature


def _acted_as(entry: Entry, by: Actor) -> str:
    """By which pairing the actor may sign for that day. Raises RuleBroken where none is valid any more."""
    pairings = programmes.signers_on(entry.enrolment_id, entry.performed_on)
    rules.require_signer(
        entry.author_person_id, by.person_id, [pairing.mentor_person_id for pairing in pairings]
    )
    return next(_ACTED_AS[pairing.kind] for pairing in pairings if pairing.mentor_person_id == by.person_id)


def _seconded_as(entry: Entry, by: Actor) -> str:
    """By which pairing the actor signs as the second; a unit lead needs none."""
    pairings = programmes.signers_on(entry.enrolment_id, entry.performed_on)
    return next(
        (_ACTED_AS[pairing.kind] for pairing in pairings if pairing.mentor_person_id == by.person_id),
        "unit_lead",
    )


def withdraw(entry: Entry, *, at: datetime, by: Actor) -> EntryAct:
    """Take the actor's own signature back while nobody has read or counted it. The entry is held ``for_update``.

    The signature stays in the record beside the act that withdraws it; the entry waits again.
    """
    require(by, Permission.ENTRY_SIGN, entry)
    after = rules.move(entry.state, "withdraw")
    signature = queries.signature_of(entry)
    if signature is None:
        raise NotFound
    counted = any(entry.enrolment_id in ask([entry.enrolment_id]) for ask in certificate_holders)
    rules.require_unseen(
        seen=entry.seen_at is not None or counted or not retractions.take_back(fact_key(entry))
    )
    retractions.take_back(fact_key(entry, "second"))
    act = EntryAct(
        entry_id=entry.id,
        signature_id=signature.id,
        act="withdraw",
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(act)
    db.session.flush()  # the trigger lets the entry back only when its signature is withdrawn
    entry.state, entry.decided_at = after, None
    db.session.flush()
    record(entry, "withdraw", at=at, by=by, revision=entry.revision_no, statement=signature.statement_sha256)
    fact_changed.tell(FactChanged("entries_signed", entry.enrolment_id, at))
    return act


def void(entry: Entry, *, reason: str, words: str, at: datetime, by: Actor) -> EntryAct:
    """Make a signed entry void, with a reason; it stays visible and counts no more. The entry is held ``for_update``."""
    require(by, Permission.ENTRY_VOID, entry)
    after = rules.move(entry.state, "void")
    rules.require_void_reason(reason)
    act = appended(entry, "void", reason=reason, words=words, at=at, by=by)
    entry.state = after
    db.session.flush()
    record(entry, "void", at=at, by=by, revision=entry.revision_no, reason=reason)
    tell(entry.author_person_id, VOIDED, entry, {}, url="/logbook", at=at)
    fact_changed.tell(FactChanged("entries_signed", entry.enrolment_id, at))
    return act


def revive(entry: Entry, *, words: str, at: datetime, by: Actor) -> EntryAct:
    """Bring a lapsed entry back into its author's hand. The entry is held ``for_update``."""
    require(by, Permission.ENTRY_VOID, entry)
    after = rules.move(entry.state, "revive")
    act = appended(entry, "revive", reason="", words=words, at=at, by=by)
    entry.state = after
    db.session.flush()
    record(entry, "revive", at=at, by=by, revision=entry.revision_no)
    return act


def give_back(
    entry: Entry, *, revision_no: int, reason: str, words: str, at: datetime, by: Actor
) -> EntryReturn:
    """Return an entry with a reason, or decline it ("I was not there"); twice is once. The entry is held ``for_update``."""
    require(by, Permission.ENTRY_SIGN, entry)
    kind = "decline" if reason == rules.DECLINE_REASON else "return"
    if (
        entry.state == (rules.DECLINED if kind == "decline" else rules.RETURNED)
        and entry.revision_no == revision_no
    ):
        done = queries.returns_of([entry]).get(entry.id)
        if done is not None and done.person_id == by.person_id:
            return done
    after = rules.move(entry.state, kind)
    rules.require_revision(revision_no, entry.revision_no)
    words = plain(words)
    rules.require_reason(reason, words)
    deid.require_clean(words, field="words")
    revision = queries.revision_of(entry)
    if revision is None:
        raise NotFound
    back = EntryReturn(
        entry_id=entry.id,
        revision_id=revision.id,
        kind=kind,
        reason=reason,
        words=words,
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(back)
    entry.state, entry.decided_at = after, at
    entry.opened_at = entry.opened_at or at
    db.session.flush()
    record(entry, kind, at=at, by=by, revision=revision.number, reason=reason)
    tell(
        entry.author_person_id,
        DECLINED if kind == "decline" else RETURNED,
        entry,
        {"signer": by.name},
        url="/logbook",
        at=at,
    )
    return back
