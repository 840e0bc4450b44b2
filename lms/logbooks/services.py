"""Acts on log entries: write, submit, recall, sign, give back."""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from importlib.resources import files

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.core import audit, clock, deid, ids, notices
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, lazy
from lms.core.pinyin import initials
from lms.core.ports import FactChanged, fact_changed
from lms.logbooks import queries, rules
from lms.logbooks.models import Entry, EntryReturn, EntryRevision, Framework, Item, Signature
from lms.logbooks.rules import Content
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment, Placement

SUBMITTED = notices.Kind(
    "logbooks.entry_submitted",
    lazy("%(trainee)s asks for your signature: %(item)s"),
    lazy("Done on %(day)s. Open the entry, read it, and sign it or return it with a word."),
    label=lazy("A trainee asks for your signature"),
    by_webhook=True,
    for_staff=True,
)
RETURNED = notices.Kind(
    "logbooks.entry_returned",
    lazy("Returned by %(signer)s: %(item)s"),
    lazy("Open the entry to read why, put it right and send it again."),
    label=lazy("An entry of yours was returned"),
)
DECLINED = notices.Kind(
    "logbooks.entry_declined",
    lazy("%(signer)s cannot sign: %(item)s"),
    lazy("Open the entry and choose somebody else who was there."),
    label=lazy("Somebody cannot sign an entry of yours"),
    by_webhook=True,
)
SIGNED = notices.Kind(
    "logbooks.entry_signed",
    lazy("Signed by %(signer)s at level %(level)s: %(item)s"),
    label=lazy("An entry of yours was signed"),
    by_mail=False,
)

_ACTED_AS = {"primary": "mentor", "second": "second", "deputy": "deputy"}
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _require(by: Actor, permission: Permission, entry: Entry) -> None:
    """NotFound for whoever may not read the entry, NotAllowed for whoever may only read it."""
    policy.require(by, permission, queries.scope_of(entry), see=Permission.ENTRY_READ)


# ---------------------------------------------------------------- the author


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
) -> tuple[Entry, bool]:
    """Write an entry and send it to its signer, or keep it as a draft; second: whether it is new.

    A repetition with the same ``client_uuid`` finds what the first delivery made and changes nothing (L14), so an
    outbox may send as often as it likes. ``signer_person_id`` None: the primary mentor of the day.
    """
    policy.require(by, Permission.ENTRY_WRITE, enrolment)
    if not _CLIENT_ID.fullmatch(client_uuid):
        client_uuid = ids.token()
    found = queries.entry_of_client(by.person_id, client_uuid)
    if found is not None:
        return found, False
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
    _write(entry, item, performed_on, content, signer_person_id, at=at)
    try:
        with db.session.begin_nested():
            db.session.add(entry)
            db.session.flush()
    except IntegrityError:
        # Two deliveries of one item at the same moment: the other one has just been committed.
        found = queries.entry_of_client(by.person_id, client_uuid)
        if found is None:
            raise
        return found, False
    _record(entry, "write", at=at, by=by)
    if not as_draft:
        submit(entry, at=at, by=by)
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
    _require(by, Permission.ENTRY_CHANGE, entry)
    if entry.state not in rules.IN_HAND:
        rules.move(entry.state, "resubmit")
    _write(entry, item, performed_on, content, signer_person_id, at=at)
    _record(entry, "change", at=at, by=by)
    db.session.flush()


def _write(
    entry: Entry,
    item: Item,
    performed_on: date,
    content: Content,
    signer_person_id: int | None,
    *,
    at: datetime,
) -> None:
    """Check and set what the author gave."""
    content = _cleaned(content)
    rules.require_known(content)
    deid.require_clean(content.note, field="note")
    _require_day(entry, performed_on, at=at)
    placement = _placement(entry.enrolment_id, performed_on)
    valid = [pairing.mentor_person_id for pairing in programmes.signers_on(entry.enrolment_id, performed_on)]
    entry.signer_person_id = rules.require_signer(entry.author_person_id, signer_person_id, valid)
    entry.item_id, entry.item = item.id, item
    entry.placement_id, entry.placement, entry.unit = placement.id, placement, placement.unit
    entry.performed_on = performed_on
    entry.content = content.as_json()
    entry.late = rules.is_late(performed_on, first_submitted_on=clock.today(entry.first_submitted_at or at))


def _require_day(entry: Entry, performed_on: date, *, at: datetime) -> None:
    rules.require_day(
        performed_on, today=clock.today(at), first_submitted_on=clock.today(entry.first_submitted_at or at)
    )


def _cleaned(content: Content) -> Content:
    fields = content.as_json()
    if "note" in fields:
        fields["note"] = _plain(fields["note"])
    return Content.of_json(fields)


def _plain(text: str) -> str:
    """Typed text without control characters and outer blanks, line ends as one newline."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _placement(enrolment_id: int, day: date) -> Placement:
    placement = programmes.placement_on(enrolment_id, day)
    if placement is None:
        raise RuleBroken("no_placement", _("You had no placement on this day."), field="performed_on")
    return placement


def submit(entry: Entry, *, at: datetime, by: Actor) -> EntryRevision:
    """Put an entry before its signer: its content is frozen as a new revision."""
    _require(by, Permission.ENTRY_CHANGE, entry)
    after = rules.move(entry.state, "submit" if entry.state == rules.DRAFT else "resubmit")
    rules.require_complete(entry.facts)
    _require_day(entry, entry.performed_on, at=at)
    valid = [
        pairing.mentor_person_id for pairing in programmes.signers_on(entry.enrolment_id, entry.performed_on)
    ]
    entry.signer_person_id = rules.require_signer(entry.author_person_id, entry.signer_person_id, valid)
    signer = db.session.get_one(Person, entry.signer_person_id)
    entry.first_submitted_at = entry.first_submitted_at or at
    entry.late = rules.is_late(entry.performed_on, first_submitted_on=clock.today(entry.first_submitted_at))
    number = entry.revision_no + 1
    payload = _payload(entry, signer, number=number, at=at)
    revision = EntryRevision(
        entry_id=entry.id,
        number=number,
        payload=payload,
        payload_sha256=digest_of(payload),
        made_at=at,
        account_id=by.account_id,
    )
    db.session.add(revision)
    db.session.flush()  # the trigger lets the entry on only when its revision is there
    entry.revision_no, entry.state, entry.submitted_at = number, after, at
    entry.opened_at = entry.decided_at = None
    entry.signer = signer
    db.session.flush()
    _record(entry, "submit", at=at, by=by, revision=number, payload=revision.payload_sha256)
    _tell(
        signer.id,
        SUBMITTED,
        entry,
        {"trainee": by.name, "day": entry.performed_on.isoformat()},
        url="/to-sign",
        at=at,
    )
    return revision


def _payload(entry: Entry, signer: Person, *, number: int, at: datetime) -> dict[str, object]:
    """The canonical document of a revision: everything that the signature is about, and nothing that could change."""
    framework = entry.item.framework
    author = db.session.get_one(Person, entry.author_person_id)
    return {
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
        "late": entry.late,
        "submitted_at": at.isoformat(timespec="microseconds"),
        "content": dict(entry.content),
    }


def recall(entry: Entry, *, at: datetime, by: Actor) -> None:
    """Take a submitted entry back while its signer has not opened it."""
    _require(by, Permission.ENTRY_CHANGE, entry)
    after = rules.move(entry.state, "recall")
    rules.require_unopened(opened=entry.opened_at is not None)
    entry.state = after
    _record(entry, "recall", at=at, by=by, revision=entry.revision_no)
    db.session.flush()


def discard(entry: Entry, *, at: datetime, by: Actor) -> None:
    """Throw away a draft that nobody else ever had."""
    _require(by, Permission.ENTRY_CHANGE, entry)
    after = rules.move(entry.state, "discard")
    rules.require_never_submitted(revision_no=entry.revision_no)
    entry.state = after
    _record(entry, "discard", at=at, by=by)
    db.session.flush()


# ---------------------------------------------------------------- the signer


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


def sign(entry: Entry, *, revision_no: int, level: int, words: str, at: datetime, by: Actor) -> Signature:
    """Sign one revision at an entrustment level; twice is once.

    The entry is held ``for_update``. Needs a confirmation of the last five minutes (raises NeedsConfirmation) and a
    pairing with the trainee that is valid on the day it was done.
    """
    _require(by, Permission.ENTRY_SIGN, entry)
    if entry.state == rules.SIGNED and entry.revision_no == revision_no:
        done = queries.signature_of(entry)
        if done is not None and done.signer_person_id == by.person_id:
            return done
    after = rules.move(entry.state, "sign")
    rules.require_revision(revision_no, entry.revision_no)
    rules.require_level(level)
    words = _plain(words)
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
    signature = Signature(
        public_id=ids.public_id(),
        entry_id=entry.id,
        revision_id=revision.id,
        kind="sign",
        author_person_id=entry.author_person_id,
        signer_person_id=by.person_id,
        signer_account_id=by.account_id,
        acted_as=_acted_as(entry, by),
        level=level,
        words=words,
        method=method,
        payload_sha256=revision.payload_sha256,
        opened_at=entry.opened_at,
        signed_at=at,
    )
    signer = db.session.get_one(Person, by.person_id)
    signature.statement_sha256 = digest_of(queries.said(signature, signer=signer.public_id))
    db.session.add(signature)
    db.session.flush()  # the trigger lets the entry on only when its signature is there
    entry.state, entry.decided_at = after, at
    entry.opened_at = entry.opened_at or at
    db.session.flush()
    _record(
        entry,
        "sign",
        at=at,
        by=by,
        acted_as=signature.acted_as,
        revision=revision.number,
        level=level,
        payload=signature.payload_sha256,
        statement=signature.statement_sha256,
    )
    _tell(
        entry.author_person_id, SIGNED, entry, {"signer": signer.name, "level": level}, url="/logbook", at=at
    )
    fact_changed.tell(FactChanged("entries_signed", entry.enrolment_id, at))
    return signature


def _acted_as(entry: Entry, by: Actor) -> str:
    """By which pairing the actor may sign for that day. Raises RuleBroken where none is valid any more."""
    pairings = programmes.signers_on(entry.enrolment_id, entry.performed_on)
    rules.require_signer(
        entry.author_person_id, by.person_id, [pairing.mentor_person_id for pairing in pairings]
    )
    return next(_ACTED_AS[pairing.kind] for pairing in pairings if pairing.mentor_person_id == by.person_id)


def give_back(
    entry: Entry, *, revision_no: int, reason: str, words: str, at: datetime, by: Actor
) -> EntryReturn:
    """Return an entry with a reason, or decline it ("I was not there"); twice is once. The entry is held ``for_update``."""
    _require(by, Permission.ENTRY_SIGN, entry)
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
    words = _plain(words)
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
    _record(entry, kind, at=at, by=by, revision=revision.number, reason=reason)
    _tell(
        entry.author_person_id,
        DECLINED if kind == "decline" else RETURNED,
        entry,
        {"signer": by.name},
        url="/logbook",
        at=at,
    )
    return back


def _tell(
    person_id: int, kind: notices.Kind, entry: Entry, values: Mapping[str, object], *, url: str, at: datetime
) -> None:
    """A notice to every account of a person, the item named in the account's language."""
    for account in accounts.accounts_of_person(person_id):
        title = entry.item.title_en if account.locale == "en" else entry.item.title_zh
        notices.notify(
            account.id,
            kind,
            values={**values, "item": title},
            url=f"{url}/{entry.public_id}",
            at=at,
            once=f"entry:{entry.public_id}:{entry.revision_no}:{entry.state}",
        )


def _record(entry: Entry, act: str, *, at: datetime, by: Actor, acted_as: str = "", **detail: object) -> None:
    audit.record(
        f"logbooks.entry.{act}",
        scope=queries.chain_of(entry.enrolment_id),
        at=at,
        account_id=by.account_id,
        acted_as=acted_as,
        subject=f"entry:{entry.public_id}",
        **detail,
    )


# ---------------------------------------------------------------- frameworks


def add_sample_frameworks(at: datetime) -> list[Framework]:
    """The NICU and PICU samples (``lms/samples/frameworks``), published and marked "not ratified"; twice is once."""
    found: list[Framework] = []
    for name in ("nicu", "picu"):
        document = json.loads(
            (files("lms") / "samples" / "frameworks" / f"{name}.json").read_text(encoding="utf-8")
        )
        framework = db.session.scalar(
            select(Framework).where(
                Framework.code == document["code"], Framework.version == document["version"]
            )
        )
        if framework is None:
            framework = _add_framework(document, at=at)
        found.append(framework)
    return found


def _add_framework(document: dict[str, object], *, at: datetime) -> Framework:
    framework = Framework(
        code=document["code"],
        version=document["version"],
        title_zh=document["title_zh"],
        title_en=document["title_en"],
        state="published",
        is_sample=document["is_sample"],
        published_at=at,
    )
    rows: list[dict[str, object]] = document["items"]  # type: ignore[assignment]
    framework.items = [
        Item(
            position=place,
            code=row["code"],
            kind=row["kind"],
            critical=row["critical"],
            title_zh=row["title_zh"],
            title_en=row["title_en"],
            initials=initials(str(row["title_zh"]))[:80],
            targets=row["targets"],
            rule={"zh": row["rule_zh"], "en": row["rule_en"], "sources": row["sources"]},
        )
        for place, row in enumerate(rows, start=1)
    ]
    db.session.add(framework)
    db.session.flush()
    audit.record(
        "logbooks.framework.add",
        scope="site",
        at=at,
        account_id=None,
        subject=f"framework:{framework.public_id}",
        code=framework.code,
    )
    return framework
