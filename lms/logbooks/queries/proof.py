"""The story of an entry, and whether its signatures hold: worked out anew each time it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts.models import Person
from lms.core import audit
from lms.core.db import db
from lms.core.digests import canonical_json
from lms.logbooks import rules
from lms.logbooks.models import Entry, EntryAct, EntryReturn, EntryRevision, Signature
from lms.logbooks.queries import workplace
from lms.logbooks.queries.records import KEYS, chain_of, keys_known, said, shown
from lms.programmes.models import Enrolment


@dataclass(frozen=True)
class Checked:
    """A signature and whether it fits the record, worked out anew."""

    signature: Signature
    number: int
    """Revision that was signed."""
    broken: str
    """Empty, or the link that does not hold (``rules.broken_link``)."""
    withdrawn: bool = False


@dataclass(frozen=True)
class Step:
    """One line of an entry's history."""

    act: str
    """``submitted``, ``recalled``, ``returned``, ``declined``, ``signed``, ``countersigned``, ``withdrawn``, ``amended``, ``voided`` …"""
    at: datetime
    person: Person | None
    number: int = 0
    level: int = 0
    reason: str = ""
    words: str = ""
    broken: str = ""
    batch: bool = False


@dataclass(frozen=True)
class History:
    """Everything that happened to an entry, in order, and its checked signatures."""

    steps: Sequence[Step]
    signatures: Sequence[Checked]
    returned: EntryReturn | None
    """The latest return, if any."""


_ACTS = {
    "withdraw": "withdrawn",
    "amend": "amended",
    "void": "voided",
    "revive": "revived",
    "lapse": "lapsed",
}


def history(entry: Entry) -> History:
    """The story of an entry; every signature is checked against record, statement, key and audit trail at this moment."""
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
        .options(joinedload(Signature.signer), joinedload(Signature.key))
        .where(Signature.entry_id == entry.id)
        .order_by(Signature.id)
    ).all()
    acts = db.session.scalars(
        select(EntryAct)
        .options(joinedload(EntryAct.person))
        .where(EntryAct.entry_id == entry.id)
        .order_by(EntryAct.id)
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
    keys = keys_known() if signatures else {}
    taken_back = {act.signature_id for act in acts if act.signature_id}
    by_id = {revision.id: revision for revision in revisions}
    checked = [
        check(signature, by_id, _witnesses(events), keys, withdrawn=signature.id in taken_back)
        for signature in signatures
    ]
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
            "signed" if one.signature.kind == "sign" else "countersigned",
            one.signature.signed_at,
            one.signature.signer,
            one.number,
            level=one.signature.level,
            words=one.signature.words,
            broken=one.broken,
            batch=bool(one.signature.batch),
        )
        for one in checked
    ]
    steps += [Step(_ACTS[act.act], act.at, act.person, reason=act.reason, words=act.words) for act in acts]
    return History(sorted(steps, key=lambda step: step.at), checked, returns[-1] if returns else None)


_Witnesses = Mapping[tuple[str, str], Mapping[str, Any]]


def _witnesses(events: Sequence[audit.AuditEvent]) -> _Witnesses:
    """What the trail says of each signing: (act, statement) → detail."""
    return {(event.act, str(event.detail.get("statement"))): event.detail for event in events}


def check(
    signature: Signature,
    revisions: Mapping[int, EntryRevision],
    witnesses: _Witnesses,
    keys: Mapping[str, str],
    *,
    withdrawn: bool = False,
) -> Checked:
    """Re-check one signature (its signer and key loaded) against its revision, its key and the trail's event."""
    revision = revisions.get(signature.revision_id)
    if revision is None:
        return Checked(signature, 0, "record", withdrawn)
    key = signature.key
    try:
        public_key, sealed = bytes.fromhex(key.public_key if key else ""), bytes.fromhex(signature.signature)
    except ValueError:
        return Checked(signature, revision.number, "signature", withdrawn)
    broken = rules.broken_link(
        payload=revision.payload,
        revision_sha256=revision.payload_sha256,
        signed_payload_sha256=signature.payload_sha256,
        said=said(signature),
        statement_sha256=signature.statement_sha256,
        witnessed=witnesses.get((f"logbooks.entry.{signature.kind}", signature.statement_sha256)),
        public_key=public_key,
        signature=sealed,
        witnessed_key=keys.get(key.public_id) if key else None,
    )
    return Checked(signature, revision.number, broken, withdrawn)


# ---------------------------------------------------------------- a whole logbook


@dataclass(frozen=True)
class Broken:
    """A link of a logbook that does not hold."""

    entry: str
    """Public id; empty where the trail itself is broken."""
    revision: int
    link: str
    """A key of ``rules.LINKS``."""
    assessment: str = ""
    """Public id, where it is an assessment in the workplace that does not hold."""


@dataclass(frozen=True)
class Verdict:
    """Outcome of checking a whole logbook."""

    entries: int
    signatures: int
    events: int
    broken: tuple[Broken, ...]


def enrolment_to_verify(public_id: str) -> Enrolment | None:
    """An enrolment by its public id, for the keeper of the machine."""
    return db.session.scalar(select(Enrolment).where(Enrolment.public_id == public_id))


def verify(enrolment_id: int) -> Verdict:
    """Check every signature of a logbook, that each entry shows what was signed, and the trail they are chained into."""
    entries = {
        row.id: row
        for row in db.session.scalars(
            shown(select(Entry).where(Entry.enrolment_id == enrolment_id)).order_by(Entry.id)
        )
    }
    revisions = {
        row.id: row
        for row in db.session.scalars(
            select(EntryRevision)
            .join(Entry, Entry.id == EntryRevision.entry_id)
            .where(Entry.enrolment_id == enrolment_id)
        )
    }
    signatures = db.session.scalars(
        select(Signature)
        .options(joinedload(Signature.signer), joinedload(Signature.key))
        .join(Entry, Entry.id == Signature.entry_id)
        .where(Entry.enrolment_id == enrolment_id)
        .order_by(Signature.id)
    ).all()
    withdrawn = set(
        db.session.scalars(
            select(EntryAct.signature_id)
            .join(Entry, Entry.id == EntryAct.entry_id)
            .where(Entry.enrolment_id == enrolment_id, EntryAct.signature_id.is_not(None))
        )
    )
    events = db.session.scalars(
        select(audit.AuditEvent).where(
            audit.AuditEvent.scope == chain_of(enrolment_id),
            audit.AuditEvent.act.in_(["logbooks.entry.sign", "logbooks.entry.countersign"]),
        )
    ).all()
    witnesses, keys = _witnesses(events), keys_known()
    broken: list[Broken] = []
    stands: set[int] = set()
    for signature in signatures:
        one = check(signature, revisions, witnesses, keys)
        entry = entries[signature.entry_id]
        if signature.id not in withdrawn and signature.kind == "sign" and one.number == entry.revision_no:
            stands.add(entry.id)
        if one.broken:
            broken.append(Broken(entry.public_id, one.number, one.broken))
    latest = {
        (row.entry_id, row.number): row
        for row in revisions.values()
        if row.number == entries[row.entry_id].revision_no
    }
    for entry in entries.values():
        if entry.state not in rules.COUNTED | {rules.SUPERSEDED, rules.VOIDED}:
            continue
        if entry.id not in stands:
            broken.append(Broken(entry.public_id, entry.revision_no, "unsigned"))
            continue
        if not _shows(entry, latest[entry.id, entry.revision_no].payload):
            broken.append(Broken(entry.public_id, entry.revision_no, "entry"))
    forms = workplace.signed_forms(enrolment_id)
    faults = workplace.broken_of(forms)
    broken += [Broken("", 0, faults[one.id], one.public_id) for one in forms if one.id in faults]
    trail = [audit.verify(scope=chain_of(enrolment_id)), audit.verify(scope=KEYS)]
    broken += [Broken("", link.seq, "chain") for verdict in trail for link in verdict.broken]
    return Verdict(len(entries), len(signatures) + len(forms), trail[0].events, tuple(broken))


def _shows(entry: Entry, payload: Mapping[str, Any]) -> bool:
    """Whether the entry, from which everything is counted, holds what was signed."""
    shown_now = {
        "entry": entry.public_id,
        "unit": entry.unit,
        "item": entry.item.code,
        "performed_on": entry.performed_on.isoformat(),
        "content": entry.content,
    }
    signed = {
        **{name: payload.get(name) for name in ("entry", "unit", "performed_on", "content")},
        "item": payload.get("item", {}).get("code"),
    }
    return canonical_json(shown_now) == canonical_json(signed)
