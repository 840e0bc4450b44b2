"""Acts of the author: write, send, take back, discard, correct, reflect."""

import re
from datetime import date, datetime
from typing import cast

from sqlalchemy import Table, insert
from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.accounts.models import Person
from lms.core import audit, clock, deid, ids
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.ports import FactChanged, fact_changed
from lms.logbooks import queries, rules
from lms.logbooks.models import Entry, EntryRevision, Item, LateWindow, Reflection
from lms.logbooks.rules import Content
from lms.logbooks.services.record import AMENDED, SUBMITTED, appended, plain, record, require, tell
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment, Placement

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

_REVISION = insert(cast("Table", EntryRevision.__table__))


class Days:
    """Where a trainee worked and who supervised, asked once for each day; lives no longer than its transaction."""

    def __init__(self, enrolment_id: int) -> None:
        self._enrolment_id = enrolment_id
        self._known: dict[date, tuple[Placement, list[int]]] = {}

    def on(self, day: date) -> tuple[Placement, list[int]]:
        """Placement, and persons who may sign, the primary mentor first. Raises RuleBroken where there was no placement."""
        if day not in self._known:
            placement = programmes.placement_on(self._enrolment_id, day)
            if placement is None:
                raise RuleBroken("no_placement", _("You had no placement on this day."), field="performed_on")
            pairings = programmes.signers_on(self._enrolment_id, day)
            self._known[day] = placement, [pairing.mentor_person_id for pairing in pairings]
        return self._known[day]


def log(
    enrolment: Enrolment,
    *,
    item: Item,
    performed_on: date,
    content: Content,
    signer_person_id: int | None,
    client_uuid: str,
    at: datetime,
    by: Actor,
    as_draft: bool = False,
    days: Days | None = None,
) -> tuple[Entry, bool]:
    """Write an entry and send it to its signer, or keep it as a draft; second: whether it is new.

    A repetition with the same ``client_uuid`` finds what the first delivery made and changes nothing (L14), so an
    outbox may send as often as it likes. ``signer_person_id`` None: the primary mentor of the day. ``days``: for who
    logs several in one transaction. A refusal leaves nothing of the entry behind, and what was logged before it stands.
    """
    policy.require(by, Permission.ENTRY_WRITE, enrolment)
    if not CLIENT_ID.fullmatch(client_uuid):
        client_uuid = ids.token()
    entry = Entry(
        enrolment_id=enrolment.id,
        cohort_id=enrolment.cohort_id,
        author_person_id=by.person_id,
        author_account_id=by.account_id,
        client_uuid=client_uuid,
        created_at=at,
        revision_no=0,
        state=rules.DRAFT,
        public_id=ids.public_id(),
    )
    entry.enrolment = enrolment
    days = days or Days(enrolment.id)
    try:
        with db.session.begin_nested():
            _write(entry, item, performed_on, content, signer_person_id, days=days, at=at)
            db.session.add(entry)
            record(entry, "write", at=at, by=by)
            db.session.flush()
            if not as_draft:
                submit(entry, at=at, by=by, days=days)
    except IntegrityError:
        # Delivered before, perhaps at this very moment.
        found = queries.entry_of_client(by.person_id, client_uuid)
        if found is None:
            raise
        return found, False
    return entry, True


def change(
    entry: Entry,
    *,
    item: Item,
    performed_on: date,
    content: Content,
    signer_person_id: int | None,
    at: datetime,
    by: Actor,
) -> None:
    """Write in an entry that is in the author's hand: a draft, or one that came back."""
    require(by, Permission.ENTRY_CHANGE, entry)
    if entry.state not in rules.IN_HAND:
        rules.move(entry.state, "resubmit")
    _write(entry, item, performed_on, content, signer_person_id, days=Days(entry.enrolment_id), at=at)
    record(entry, "change", at=at, by=by)
    db.session.flush()


def _write(
    entry: Entry,
    item: Item,
    performed_on: date,
    content: Content,
    signer_person_id: int | None,
    *,
    days: Days,
    at: datetime,
) -> None:
    """Check and set what the author gave."""
    content = _cleaned(content)
    rules.require_known(content)
    deid.require_clean(content.note, field="note")
    deid.require_clean(content.indication, field="indication")
    _require_day(entry, performed_on, at=at)
    placement, valid = days.on(performed_on)
    entry.signer_person_id = rules.require_signer(entry.author_person_id, signer_person_id, valid)
    entry.item_id, entry.item = item.id, item
    entry.placement_id, entry.placement, entry.unit = placement.id, placement, placement.unit
    entry.performed_on = performed_on
    entry.content = content.as_json()
    entry.late = rules.is_late(performed_on, first_submitted_on=clock.today(entry.first_submitted_at or at))


def _require_day(entry: Entry, performed_on: date, *, at: datetime) -> None:
    first_on = clock.today(entry.first_submitted_at or at)
    rules.require_day(
        performed_on,
        today=clock.today(at),
        first_submitted_on=first_on,
        let_in=first_on - performed_on > rules.REFUSED_AFTER
        and queries.is_let_in(entry.enrolment_id, performed_on),
    )


def _cleaned(content: Content) -> Content:
    fields = content.as_json()
    for name in ("note", "indication"):
        if name in fields:
            fields[name] = plain(fields[name])
    if "diagnosis" in fields:
        fields["diagnosis"] = plain(fields["diagnosis"]).upper()
    return Content.of_json(fields)


def submit(entry: Entry, *, at: datetime, by: Actor, days: Days | None = None) -> None:
    """Put an entry before its signer: its content is frozen as a new revision."""
    require(by, Permission.ENTRY_CHANGE, entry)
    act = "submit" if entry.state == rules.DRAFT else "resubmit"
    _put_before_signer(entry, act, days=days or Days(entry.enrolment_id), at=at, by=by)


def _put_before_signer(entry: Entry, act: str, *, days: Days, at: datetime, by: Actor) -> None:
    after = rules.move(entry.state, act)
    rules.require_complete(entry.facts)
    _require_day(entry, entry.performed_on, at=at)
    _placement, valid = days.on(entry.performed_on)
    entry.signer_person_id = rules.require_signer(entry.author_person_id, entry.signer_person_id, valid)
    signer = db.session.get_one(Person, entry.signer_person_id)
    entry.author = db.session.get_one(Person, entry.author_person_id)
    first_submitted_at = entry.first_submitted_at or at
    late = rules.is_late(entry.performed_on, first_submitted_on=clock.today(first_submitted_at))
    number = entry.revision_no + 1
    payload = _payload(entry, signer, number=number, late=late, at=at)
    revision = {
        "entry_id": entry.id,
        "number": number,
        "payload": payload,
        "payload_sha256": digest_of(payload),
        "made_at": at,
        "account_id": by.account_id,
    }
    # By itself: the trigger lets the entry on only when its revision is there.
    db.session.flush()
    db.session.connection().execute(_REVISION, revision)
    entry.first_submitted_at, entry.late, entry.signer = first_submitted_at, late, signer
    entry.revision_no, entry.state, entry.submitted_at = number, after, at
    entry.opened_at = entry.decided_at = None
    entry.escalated = 0
    record(entry, "submit", at=at, by=by, revision=number, payload=revision["payload_sha256"])
    db.session.flush()
    tell(
        signer.id,
        SUBMITTED,
        entry,
        {"trainee": entry.author.name, "day": entry.performed_on.isoformat()},
        url="/to-sign",
        at=at,
    )


def _payload(entry: Entry, signer: Person, *, number: int, late: bool, at: datetime) -> dict[str, object]:
    """The canonical document of a revision: everything that the signature is about, and nothing that could change."""
    framework = entry.item.framework
    author = db.session.get_one(Person, entry.author_person_id)
    document: dict[str, object] = {
        "form": rules.FORM_VERSION,
        "entry": entry.public_id,
        "revision": number,
        "enrolment": entry.enrolment.public_id,
        "trainee": author.public_id,
        "signer": signer.public_id,
        "unit": entry.unit,
        "framework": {"code": framework.code, "version": framework.version},
        "item": {"code": entry.item.code, "title_zh": entry.item.title_zh, "title_en": entry.item.title_en},
        "performed_on": entry.performed_on.isoformat(),
        "late": late,
        "submitted_at": at.isoformat(timespec="microseconds"),
        "content": dict(entry.content),
    }
    if entry.supersedes_id is not None:
        document["supersedes"] = db.session.get_one(Entry, entry.supersedes_id).public_id
    return document


def recall(entry: Entry, *, at: datetime, by: Actor) -> None:
    """Take a submitted entry back while its signer has not opened it."""
    require(by, Permission.ENTRY_CHANGE, entry)
    after = rules.move(entry.state, "recall")
    rules.require_unopened(
        opened=entry.opened_at is not None, waited_long=entry.escalated >= rules.RECALL_STAGE
    )
    entry.state = after
    record(entry, "recall", at=at, by=by, revision=entry.revision_no)
    db.session.flush()


def discard(entry: Entry, *, at: datetime, by: Actor) -> None:
    """Throw away a draft that nobody else ever had."""
    require(by, Permission.ENTRY_CHANGE, entry)
    after = rules.move(entry.state, "discard")
    rules.require_never_submitted(revision_no=entry.revision_no)
    entry.state = after
    record(entry, "discard", at=at, by=by)
    db.session.flush()


def amend(
    entry: Entry,
    *,
    item: Item,
    performed_on: date,
    content: Content,
    signer_person_id: int | None,
    reason: str,
    at: datetime,
    by: Actor,
) -> Entry:
    """Correct a signed entry: a new row with the next revision goes to the signer, the old one is kept and counts no more.

    The entry is held ``for_update``. Author and signer may do it, with a reason.
    """
    require(by, Permission.ENTRY_AMEND, entry)
    after = rules.move(entry.state, "amend")
    appended(entry, "amend", reason="", words=reason, at=at, by=by)
    entry.state = after
    db.session.flush()
    record(entry, "amend", at=at, by=by, revision=entry.revision_no)
    corrected = Entry(
        enrolment_id=entry.enrolment_id,
        cohort_id=entry.cohort_id,
        author_person_id=entry.author_person_id,
        author_account_id=entry.author_account_id,
        client_uuid=ids.token(),
        created_at=at,
        first_submitted_at=entry.first_submitted_at,
        revision_no=entry.revision_no,
        supersedes_id=entry.id,
        state=rules.DRAFT,
        public_id=ids.public_id(),
    )
    corrected.enrolment = entry.enrolment
    days = Days(entry.enrolment_id)
    _write(corrected, item, performed_on, content, signer_person_id, days=days, at=at)
    db.session.add(corrected)
    db.session.flush()
    _put_before_signer(corrected, "submit", days=days, at=at, by=by)
    other = entry.author_person_id if by.person_id != entry.author_person_id else entry.signer_person_id
    if other is not None:
        tell(other, AMENDED, corrected, {"name": by.name}, url="/logbook", at=at)
    fact_changed.tell(FactChanged("entries_signed", entry.enrolment_id, at))
    return corrected


def let_in(
    enrolment: Enrolment, *, from_on: date, to_on: date, reason: str, at: datetime, by: Actor
) -> LateWindow:
    """L5: let late entries of some days in, with a reason; they stay flagged as late."""
    policy.require(by, Permission.ENTRY_LET_IN, enrolment.cohort, see=Permission.COHORT_READ)
    reason = plain(reason)
    if not reason:
        raise RuleBroken("reason_missing", _("Write the reason."), field="reason")
    if to_on < from_on:
        raise RuleBroken("dates_reversed", _("The last day lies before the first."), field="to_on")
    deid.require_clean(reason, field="reason")
    window = LateWindow(
        enrolment_id=enrolment.id,
        from_on=from_on,
        to_on=to_on,
        reason=reason[: rules.WORDS_MAX],
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(window)
    db.session.flush()
    audit.record(
        "logbooks.entry.let_in",
        scope=queries.chain_of(enrolment.id),
        at=at,
        account_id=by.account_id,
        subject=f"enrolment:{enrolment.public_id}",
        first=from_on.isoformat(),
        last=to_on.isoformat(),
    )
    return window


def reflect(entry: Entry, *, text: str, shared: bool, at: datetime, by: Actor) -> None:
    """Keep the author's own thoughts beside an entry; they are theirs alone unless they share them (L15)."""
    require(by, Permission.ENTRY_CHANGE, entry)
    text = plain(text)
    if len(text) > rules.REFLECTION_MAX:
        raise RuleBroken(
            "reflection_long", _("Use at most %(max)s characters.", max=rules.REFLECTION_MAX), field="text"
        )
    deid.require_clean(text, field="text")
    row = db.session.get(Reflection, entry.id)
    if row is None:
        row = Reflection(entry_id=entry.id, at=at, text=text, shared=shared)
        db.session.add(row)
    row.text, row.shared, row.at = text, shared, at
    db.session.flush()
    record(entry, "reflect", at=at, by=by, shared=shared)
