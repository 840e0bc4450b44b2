"""One entry: who may read it, its history, and whether its signatures hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Person
from lms.core import audit
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.ids import is_public_id
from lms.logbooks import rules
from lms.logbooks.models import Entry, EntryReturn, EntryRevision, Item, Signature
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment, Placement


class EntryScope:
    """The shape of an entry that the policy table asks for."""

    def __init__(self, entry: Entry, programme_id: int) -> None:
        self._enrolment_id = entry.enrolment_id
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
    """An entry that was put before the actor. Raises NotFound for any other, NotAllowed where they may only read it."""
    found = entry(public_id, by, for_update=for_update)
    policy.require(by, Permission.ENTRY_SIGN, scope_of(found), see=Permission.ENTRY_READ)
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
    return db.session.scalar(
        shown(
            select(Entry).where(Entry.author_person_id == author_person_id, Entry.client_uuid == client_uuid)
        )
    )


def revision_of(entry: Entry) -> EntryRevision | None:
    """The latest revision; None while it was never submitted."""
    return db.session.scalar(
        select(EntryRevision).where(
            EntryRevision.entry_id == entry.id, EntryRevision.number == entry.revision_no
        )
    )


def signature_of(entry: Entry, *, kind: str = "sign") -> Signature | None:
    """The signature on the latest revision, if there is one."""
    return db.session.scalar(
        select(Signature)
        .join(EntryRevision, EntryRevision.id == Signature.revision_id)
        .where(
            EntryRevision.entry_id == entry.id,
            EntryRevision.number == entry.revision_no,
            Signature.kind == kind,
        )
    )


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


@dataclass(frozen=True)
class Checked:
    """A signature and whether it fits the record, worked out anew."""

    signature: Signature
    number: int
    """Revision that was signed."""
    broken: str
    """Empty, or the link that does not hold (``rules.broken_link``)."""


@dataclass(frozen=True)
class Step:
    """One line of an entry's history."""

    act: str
    """``submitted``, ``recalled``, ``returned``, ``declined``, ``signed``."""
    at: datetime
    person: Person | None
    number: int = 0
    level: int = 0
    reason: str = ""
    words: str = ""
    broken: str = ""


@dataclass(frozen=True)
class History:
    """Everything that happened to an entry, in order, and its checked signatures."""

    steps: Sequence[Step]
    signatures: Sequence[Checked]
    returned: EntryReturn | None
    """The latest return, if any."""


def history(entry: Entry) -> History:
    """The story of an entry; every signature is checked against record, statement and audit trail at this moment."""
    revisions = db.session.scalars(
        select(EntryRevision).where(EntryRevision.entry_id == entry.id).order_by(EntryRevision.number)
    ).all()
    returns = db.session.scalars(
        select(EntryReturn)
        .options(joinedload(EntryReturn.person))
        .where(EntryReturn.entry_id == entry.id)
        .order_by(EntryReturn.id)
    ).all()
    signatures = db.session.scalars(
        select(Signature)
        .options(joinedload(Signature.signer))
        .where(Signature.entry_id == entry.id)
        .order_by(Signature.id)
    ).all()
    events = db.session.scalars(
        select(audit.AuditEvent)
        .where(
            audit.AuditEvent.scope == chain_of(entry.enrolment_id),
            audit.AuditEvent.subject == f"entry:{entry.public_id}",
        )
        .order_by(audit.AuditEvent.seq)
    ).all()
    numbers = {revision.id: revision.number for revision in revisions}
    checked = [check(signature, revisions, events) for signature in signatures]
    steps = [Step("submitted", revision.made_at, entry.author, revision.number) for revision in revisions]
    steps += [
        Step("recalled", event.at, entry.author) for event in events if event.act == "logbooks.entry.recall"
    ]
    steps += [
        Step(
            "returned" if back.kind == "return" else "declined",
            back.at,
            back.person,
            numbers.get(back.revision_id, 0),
            reason=back.reason,
            words=back.words,
        )
        for back in returns
    ]
    steps += [
        Step(
            "signed",
            one.signature.signed_at,
            one.signature.signer,
            one.number,
            level=one.signature.level,
            words=one.signature.words,
            broken=one.broken,
        )
        for one in checked
    ]
    return History(sorted(steps, key=lambda step: step.at), checked, returns[-1] if returns else None)


def chain_of(enrolment_id: int) -> str:
    """The scope of a logbook's audit trail."""
    return f"logbook:{enrolment_id}"


def check(
    signature: Signature, revisions: Sequence[EntryRevision], events: Sequence[audit.AuditEvent]
) -> Checked:
    """Re-check one signature (its signer loaded) against its revision and the trail's event."""
    revision = next((one for one in revisions if one.id == signature.revision_id), None)
    if revision is None:
        return Checked(signature, 0, "record")
    witnessed = next(
        (
            event.detail
            for event in events
            if event.act == f"logbooks.entry.{signature.kind}"
            and event.detail.get("revision") == revision.number
        ),
        None,
    )
    broken = rules.broken_link(
        payload=revision.payload,
        revision_sha256=revision.payload_sha256,
        signed_payload_sha256=signature.payload_sha256,
        said=said(signature, signer=signature.signer.public_id),
        statement_sha256=signature.statement_sha256,
        witnessed=witnessed,
    )
    return Checked(signature, revision.number, broken)


def said(signature: Signature, *, signer: str) -> dict[str, Any]:
    """The statement that a signature row makes; ``signer``: public id of the person."""
    return rules.statement(
        payload_sha256=signature.payload_sha256,
        signer=signer,
        acted_as=signature.acted_as,
        kind=signature.kind,
        level=signature.level,
        words=signature.words,
        method=signature.method,
        signed_at=signature.signed_at.isoformat(timespec="microseconds"),
    )


def reason_text(back: EntryReturn | Step) -> str:
    """Why an entry went back, in the reader's language: the chosen phrase and the signer's own words."""
    phrase = ""
    if back.reason == rules.DECLINE_REASON:
        phrase = str(rules.DECLINE_TEXT)
    elif back.reason in rules.RETURN_REASONS and back.reason != "other":
        phrase = str(rules.RETURN_REASONS[back.reason])
    return f"{phrase} {back.words}".strip()
