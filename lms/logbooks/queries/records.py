"""One entry: who may read it, its history, and whether its signatures hold."""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.core import audit
from lms.core.db import db
from lms.core.digests import sha256_hex
from lms.core.errors import NotFound
from lms.core.ids import is_public_id
from lms.logbooks import rules
from lms.logbooks.models import (
    Entry,
    EntryAct,
    EntryReturn,
    EntryRevision,
    Handover,
    Item,
    LateWindow,
    Reflection,
    Signature,
    SigningKey,
)
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment, Placement

KEYS = "signing-keys"
"""Scope of the trail that knows every signer's public key."""
KEY_MADE = "logbooks.key.make"


class EntryScope:
    """The shape of an entry that the policy table asks for."""

    def __init__(self, entry: Entry, programme_id: int) -> None:
        self._enrolment_id = entry.enrolment_id
        self._performed_on = entry.performed_on
        self.state = entry.state
        self.author_person_id = entry.author_person_id
        self.trainee_person_id = entry.author_person_id
        self.signer_person_id = entry.signer_person_id
        self.cohort_id = entry.cohort_id
        self.programme_id = programme_id

    @cached_property
    def mentor_person_ids(self) -> frozenset[int]:
        """Looked up only for whoever is neither author nor signer."""
        return frozenset(programmes.mentor_ids(self._enrolment_id))

    @cached_property
    def second_person_ids(self) -> frozenset[int]:
        """Who supervised on the day it was done, beside the signer."""
        pairings = programmes.signers_on(self._enrolment_id, self._performed_on)
        return frozenset(pairing.mentor_person_id for pairing in pairings) - {self.signer_person_id or 0}


class LogbookScope:
    """The shape of any submitted entry of a trainee."""

    state = rules.SUBMITTED
    signer_person_id = None

    def __init__(self, enrolment: Enrolment, mentor_person_ids: frozenset[int]) -> None:
        self.author_person_id = enrolment.person_id
        self.trainee_person_id = enrolment.person_id
        self.cohort_id = enrolment.cohort_id
        self.programme_id = enrolment.cohort.programme_id
        self.mentor_person_ids = mentor_person_ids


def shown(query: Select[Entry]) -> Select[Entry]:
    """A query of entries with item, people, enrolment and placement loaded."""
    return query.options(
        joinedload(Entry.item).joinedload(Item.framework),
        joinedload(Entry.author),
        joinedload(Entry.signer),
        joinedload(Entry.enrolment).joinedload(Enrolment.cohort),
        joinedload(Entry.placement),
    )


def entry(public_id: str, by: Actor, *, for_update: bool = False) -> Entry:
    """One entry with its item, people and placement. Raises NotFound for whoever may not read it.

    ``for_update``: the row as it stands now, held until the transaction ends.
    """
    if not is_public_id(public_id):
        raise NotFound
    query = shown(select(Entry).where(Entry.public_id == public_id))
    if for_update:
        query = query.with_for_update(of=Entry).execution_options(populate_existing=True)
    found = db.session.scalar(query)
    if found is None:
        raise NotFound
    policy.require(by, Permission.ENTRY_READ, scope_of(found))
    return found


def own_entry(public_id: str, by: Actor, *, for_update: bool = False) -> Entry:
    """An entry of the actor's own. Raises NotFound for any other."""
    found = entry(public_id, by, for_update=for_update)
    if found.author_person_id != by.person_id:
        raise NotFound
    return found


def entry_to_decide(public_id: str, by: Actor, *, for_update: bool = False) -> Entry:
    """An entry that waits for the actor as signer or as second. Raises NotFound for any other, NotAllowed where they may only read it."""
    found = entry(public_id, by, for_update=for_update)
    scope = scope_of(found)
    if found.state not in rules.COUNTED or not policy.allows(by, Permission.ENTRY_COUNTERSIGN, scope):
        policy.require(by, Permission.ENTRY_SIGN, scope, see=Permission.ENTRY_READ)
    return found


def may_read_entries(by: Actor, enrolment: Enrolment, placements: Iterable[Placement]) -> bool:
    """Whether the actor may read what this trainee has submitted (cohort and pairings loaded)."""
    mentors = frozenset(
        pairing.mentor_person_id for placement in placements for pairing in placement.pairings
    )
    return policy.allows(by, Permission.ENTRY_READ, LogbookScope(enrolment, mentors))


def scope_of(entry: Entry) -> EntryScope:
    """The policy's view of an entry (its enrolment and cohort loaded)."""
    return EntryScope(entry, entry.enrolment.cohort.programme_id)


def entry_of_client(author_person_id: int, client_uuid: str) -> Entry | None:
    """What an earlier delivery of the same client id made."""
    return entries_of_clients(author_person_id, [client_uuid]).get(client_uuid)


def entries_of_clients(author_person_id: int, client_uuids: Sequence[str]) -> dict[str, Entry]:
    """What earlier deliveries made, by client id."""
    rows = db.session.scalars(
        shown(
            select(Entry).where(
                Entry.author_person_id == author_person_id, Entry.client_uuid.in_(client_uuids)
            )
        )
    )
    return {row.client_uuid: row for row in rows}


def revision_of(entry: Entry) -> EntryRevision | None:
    """The latest revision; None while it was never submitted."""
    return db.session.scalar(
        select(EntryRevision).where(
            EntryRevision.entry_id == entry.id, EntryRevision.number == entry.revision_no
        )
    )


def standing() -> ColumnElement[bool]:
    """Whether a signature has not been withdrawn."""
    return ~select(EntryAct.id).where(EntryAct.signature_id == Signature.id).exists()


def signature_of(entry: Entry, *, kind: str = "sign") -> Signature | None:
    """The signature that stands on the latest revision, if there is one."""
    return db.session.scalar(
        select(Signature)
        .join(EntryRevision, EntryRevision.id == Signature.revision_id)
        .where(
            EntryRevision.entry_id == entry.id,
            EntryRevision.number == entry.revision_no,
            Signature.kind == kind,
            standing(),
        )
    )


def signatures_made(revision_id: int, kind: str) -> int:
    """How many signatures of a kind a revision has had, withdrawn ones counted."""
    return (
        db.session.scalar(
            select(func.count(Signature.id)).where(
                Signature.revision_id == revision_id, Signature.kind == kind
            )
        )
        or 0
    )


def seconds_of(entry: Entry) -> frozenset[int]:
    """Who else supervised on the day, and could sign as the second."""
    return scope_of(entry).second_person_ids


def key_of(person_id: int) -> SigningKey | None:
    """The key with which a person signs now."""
    return db.session.scalar(
        select(SigningKey)
        .where(SigningKey.person_id == person_id)
        .order_by(SigningKey.number.desc())
        .limit(1)
    )


def keys_known() -> dict[str, str]:
    """Public keys that the trail of keys knows, as hex, by public id."""
    events = db.session.execute(
        select(audit.AuditEvent.subject, audit.AuditEvent.detail).where(
            audit.AuditEvent.scope == KEYS, audit.AuditEvent.act == KEY_MADE
        )
    )
    return {subject.removeprefix("key:"): detail.get("public_key", "") for subject, detail in events}


def handover(token: str, by: Actor) -> tuple[Handover, Entry]:
    """A token and its entry, for the entry's signer. Raises NotFound for everybody else."""
    row = db.session.scalar(select(Handover).where(Handover.token_sha256 == sha256_hex(token.encode())))
    if row is None:
        raise NotFound
    found = db.session.scalars(shown(select(Entry).where(Entry.id == row.entry_id))).one()
    policy.require(by, Permission.ENTRY_SIGN, scope_of(found))
    return row, found


def is_let_in(enrolment_id: int, day: date) -> bool:
    """Whether the coordinator has let late entries of a day in."""
    found = select(LateWindow.id).where(
        LateWindow.enrolment_id == enrolment_id, LateWindow.from_on <= day, LateWindow.to_on >= day
    )
    return db.session.scalar(found.limit(1)) is not None


def hands_of(entry: Entry, by: Actor) -> set[str]:
    """Which hands of the state machine the actor has on an entry."""
    scope = scope_of(entry)
    asked = (
        (rules.AUTHOR, Permission.ENTRY_CHANGE),
        (rules.SIGNER, Permission.ENTRY_SIGN),
        (rules.SECOND, Permission.ENTRY_COUNTERSIGN),
        (rules.DIRECTOR, Permission.ENTRY_VOID),
    )
    return {hand for hand, permission in asked if policy.allows(by, permission, scope)}


def reflection_of(entry: Entry, by: Actor) -> Reflection | None:
    """The author's own thoughts; others see them only when they are shared."""
    found = db.session.get(Reflection, entry.id)
    if found is None or (entry.author_person_id != by.person_id and not found.shared):
        return None
    return found


def replaced_by(entry: Entry) -> str | None:
    """Public id of the entry that corrects this one."""
    if entry.state != rules.SUPERSEDED:
        return None
    return db.session.scalar(
        select(Entry.public_id).where(Entry.supersedes_id == entry.id).order_by(Entry.id.desc()).limit(1)
    )


def replaces(entry: Entry) -> str | None:
    """Public id of the entry that this one corrects."""
    if entry.supersedes_id is None:
        return None
    return db.session.scalar(select(Entry.public_id).where(Entry.id == entry.supersedes_id))


def returns_of(entries: Iterable[Entry]) -> dict[int, EntryReturn]:
    """The latest return of each entry that went back, by entry id."""
    numbers = [
        entry.id
        for entry in entries
        if entry.state in {rules.RETURNED, rules.DECLINED, rules.SUBMITTED} and entry.revision_no
    ]
    if not numbers:
        return {}
    rows = db.session.scalars(
        select(EntryReturn)
        .options(joinedload(EntryReturn.person))
        .where(EntryReturn.entry_id.in_(numbers))
        .order_by(EntryReturn.id)
    )
    return {row.entry_id: row for row in rows}


class Told(Protocol):
    """Whatever says why an entry went back."""

    @property
    def reason(self) -> str:
        """A code."""

    @property
    def words(self) -> str:
        """In their own words."""


def chain_of(enrolment_id: int) -> str:
    """The scope of a logbook's audit trail."""
    return f"logbook:{enrolment_id}"


def said(signature: Signature) -> dict[str, Any]:
    """The statement that a signature row makes (its signer and key loaded)."""
    return rules.statement(
        payload_sha256=signature.payload_sha256,
        signer=signature.signer.public_id,
        acted_as=signature.acted_as,
        kind=signature.kind,
        level=signature.level,
        words=signature.words,
        method=signature.method,
        signed_at=signature.signed_at.isoformat(timespec="microseconds"),
        key=signature.key.public_id if signature.key else "",
        batch=signature.batch,
    )


def reason_text(back: EntryReturn | Told) -> str:
    """Why an entry went back, in the reader's language: the chosen phrase and the signer's own words."""
    phrase = ""
    if back.reason == rules.DECLINE_REASON:
        phrase = str(rules.DECLINE_TEXT)
    elif back.reason in rules.RETURN_REASONS and back.reason != "other":
        phrase = str(rules.RETURN_REASONS[back.reason])
    return f"{phrase} {back.words}".strip()
