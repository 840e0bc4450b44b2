"""Acts on meetings: write one down, correct it, confirm it; and what the clock tells of them."""

import re
from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import exists, select

from lms import policy
from lms.accounts.models import Account
from lms.core import audit, clock, deid, notices
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.policy import Actor, Permission
from lms.programmes.models import Enrolment, Meeting, MeetingAcknowledgement, Placement
from lms.programmes.queries import meetings as queries
from lms.programmes.rules import meetings as rules

OVERDUE = notices.Kind(
    "programmes.meeting_overdue",
    lazy("A meeting is overdue: %(trainee)s with %(mentor)s"),
    lazy("It was due on %(day)s. Agree on a time; afterwards the mentor writes down what was agreed."),
    label=lazy("A meeting of trainee and mentor is overdue"),
)
WRITTEN = notices.Kind(
    "programmes.meeting_written",
    lazy("%(mentor)s wrote down your meeting of %(day)s"),
    lazy("Please read what was agreed and confirm it."),
    label=lazy("A meeting with you was written down"),
)
UNREAD = notices.Kind(
    "programmes.meeting_unread",
    lazy("Not confirmed yet: meeting of %(trainee)s with %(mentor)s on %(day)s"),
    lazy("The trainee has not confirmed what was written down. Read it together if something is unclear."),
    label=lazy("A meeting was not confirmed for three days"),
)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _clean(words: str, *, field: str, missing: str) -> str:
    """Typed text that says something, fits, and names no patient. Raises RuleBroken at ``field``."""
    plain = _CONTROL.sub("", words.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not plain:
        raise RuleBroken("words_missing", missing, field=field)
    if len(plain) > rules.TEXT_LIMIT:
        raise RuleBroken(
            "words_long", _("Please use at most %(n)s characters.", n=rules.TEXT_LIMIT), field=field
        )
    deid.require_clean(plain, field=field)
    return plain


def _require(
    by: Actor, permission: Permission, enrolment: Enrolment, placements: Collection[Placement]
) -> None:
    policy.require(by, permission, queries.scope_of(enrolment, placements), see=Permission.MEETING_READ)


def hold(
    enrolment: Enrolment,
    placement: Placement,
    *,
    kind: str,
    due_on: date | None,
    held_on: date,
    summary: str,
    plan: str,
    at: datetime,
    by: Actor,
) -> Meeting:
    """Write down a meeting that was held; the same meeting twice is once. Its mentor has confirmed it thereby.

    ``placement``: of the enrolment, its pairings loaded. ``due_on``: None for a concern. Raises RuleBroken ``future``,
    ``not_paired``, ``not_due``, ``meeting_taken``, ``identifying``.
    """
    _require(by, Permission.MEETING_HOLD, enrolment, [placement])
    if kind == "concern":
        due_on = None
    elif due_on is None or kind not in rules.PLANNED:
        raise RuleBroken("not_due", _("This placement asks for no such meeting."), field="what")
    else:
        rules.require_due(rules.Due(due_on, kind), placement.from_on, placement.to_on)
    said = _said(placement, held_on, summary, plan, at=at, by=by)
    db.session.execute(select(Placement.id).where(Placement.id == placement.id).with_for_update())
    same = [Meeting.placement_id == placement.id, Meeting.kind == kind, Meeting.supersedes_id.is_(None)]
    if kind == "concern":
        same += [Meeting.held_on == held_on, Meeting.mentor_person_id == by.person_id]
    else:
        same += [Meeting.due_on == due_on]
    known = db.session.scalar(select(Meeting).where(*same))
    if known is not None:
        if (known.held_on, known.summary, known.plan, known.mentor_person_id) == (
            held_on,
            *said,
            by.person_id,
        ):
            return known
        raise RuleBroken(
            "meeting_taken",
            _("This meeting is written down already. Open it and correct it there."),
            field="what",
        )
    return _write(enrolment, placement, kind, due_on, held_on, said, None, at=at, by=by)


def _said(
    placement: Placement, held_on: date, summary: str, plan: str, *, at: datetime, by: Actor
) -> tuple[str, str]:
    """Summary and plan as they are kept, once day and words are in order."""
    rules.require_past(held_on, today=clock.today(at), field="held_on")
    rules.require_paired(by.person_id, queries.mentors_on([placement], held_on), field="held_on")
    return (
        _clean(summary, field="summary", missing=_("Write down what you talked about.")),
        _clean(plan, field="plan", missing=_("Write down what you agreed on.")),
    )


def correct(
    enrolment: Enrolment,
    placement: Placement,
    meeting: Meeting,
    *,
    held_on: date,
    summary: str,
    plan: str,
    at: datetime,
    by: Actor,
) -> Meeting:
    """Put right what was written down: a new row supersedes, the old one stays, and the trainee confirms anew.

    Only for the mentor who held it; the same correction twice is once. Raises RuleBroken ``meeting_superseded`` besides
    those of ``hold``, and ``not_holder``.
    """
    _require(by, Permission.MEETING_HOLD, enrolment, [placement])
    if meeting.mentor_person_id != by.person_id:
        raise RuleBroken("not_holder", _("Only the mentor who held the meeting corrects it."))
    said = _said(placement, held_on, summary, plan, at=at, by=by)
    later = queries.successor(meeting.id)
    if later is not None:
        if (later.held_on, later.summary, later.plan) == (held_on, *said):
            return later
        raise RuleBroken(
            "meeting_superseded",
            _("It was corrected in the meantime. Go back and look at the newest version."),
        )
    if (meeting.held_on, meeting.summary, meeting.plan) == (held_on, *said):
        return meeting
    return _write(enrolment, placement, meeting.kind, meeting.due_on, held_on, said, meeting, at=at, by=by)


def _write(
    enrolment: Enrolment,
    placement: Placement,
    kind: str,
    due_on: date | None,
    held_on: date,
    said: tuple[str, str],
    before: Meeting | None,
    *,
    at: datetime,
    by: Actor,
) -> Meeting:
    meeting = Meeting(
        placement_id=placement.id,
        kind=kind,
        due_on=due_on,
        held_on=held_on,
        mentor_person_id=by.person_id,
        summary=said[0],
        plan=said[1],
        recorded_at=at,
        supersedes_id=before.id if before else None,
    )
    db.session.add(meeting)
    db.session.flush()
    db.session.add(
        MeetingAcknowledgement(meeting_id=meeting.id, person_id=by.person_id, part="mentor", at=at)
    )
    db.session.flush()
    _record("correct" if before else "hold", enrolment, meeting, at=at, by=by)
    _tell(
        [enrolment.person_id],
        WRITTEN,
        {"mentor": by.name, "day": held_on.isoformat()},
        enrolment,
        once=f"meeting:{meeting.public_id}:written",
        at=at,
    )
    return meeting


def acknowledge(
    enrolment: Enrolment, placements: Collection[Placement], meeting: Meeting, *, at: datetime, by: Actor
) -> MeetingAcknowledgement:
    """The trainee confirms what was written down; twice is once. Raises RuleBroken ``meeting_superseded``."""
    _require(by, Permission.MEETING_ACKNOWLEDGE, enrolment, placements)
    known = db.session.scalar(
        select(MeetingAcknowledgement).where(
            MeetingAcknowledgement.meeting_id == meeting.id, MeetingAcknowledgement.person_id == by.person_id
        )
    )
    if known is not None:
        return known
    if queries.successor(meeting.id) is not None:
        raise RuleBroken(
            "meeting_superseded", _("It was corrected in the meantime. Please read the newest version.")
        )
    row = MeetingAcknowledgement(meeting_id=meeting.id, person_id=by.person_id, part="trainee", at=at)
    db.session.add(row)
    db.session.flush()
    _record("acknowledge", enrolment, meeting, at=at, by=by)
    return row


def _record(act: str, enrolment: Enrolment, meeting: Meeting, *, at: datetime, by: Actor) -> None:
    audit.record(
        f"programmes.meeting.{act}",
        scope=f"programme:{enrolment.cohort.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"meeting:{meeting.public_id}",
        kind=meeting.kind,
    )


# ---------------------------------------------------------------- the clock


def remind(at: datetime) -> None:
    """The worker's chore: tell trainee and mentor once of a meeting that is overdue, and of one that waits to be confirmed."""
    today = clock.today(at)
    for row in queries.overdue(today):
        placement = row.placement
        assert row.due_on is not None
        mentors = _mentors(placement, today) or _mentors(placement, row.due_on)
        _tell(
            [placement.enrolment.person_id, *mentors],
            OVERDUE,
            {
                "trainee": placement.enrolment.person.name,
                "mentor": _(", ").join(mentors.values()) or "—",
                "day": row.due_on.isoformat(),
            },
            placement.enrolment,
            once=f"meeting:{row.key}:overdue",
            at=at,
        )
    for meeting in queries.unread(at, within=rules.TOLD_FOR):
        enrolment = meeting.placement.enrolment
        _tell(
            [enrolment.person_id, meeting.mentor_person_id],
            UNREAD,
            {
                "trainee": enrolment.person.name,
                "mentor": meeting.mentor.name,
                "day": meeting.held_on.isoformat(),
            },
            enrolment,
            once=f"meeting:{meeting.public_id}:unread",
            at=at,
        )


def _mentors(placement: Placement, day: date) -> dict[int, str]:
    """The primary mentors of a day, by person id, with their names."""
    return {
        pairing.mentor_person_id: pairing.mentor.name
        for pairing in placement.pairings
        if pairing.kind == "primary" and pairing.from_on <= day <= pairing.to_on
    }


def _tell(
    person_ids: Collection[int],
    kind: notices.Kind,
    values: dict[str, object],
    enrolment: Enrolment,
    *,
    once: str,
    at: datetime,
) -> None:
    told = exists().where(notices.Notice.account_id == Account.id, notices.Notice.once == once)
    accounts = db.session.scalars(
        select(Account.id)
        .where(Account.person_id.in_(person_ids), Account.disabled_at.is_(None), ~told)
        .order_by(Account.id)
    ).all()
    for account_id in accounts:
        notices.notify(
            account_id,
            kind,
            values=values,
            url=f"/trainees/{enrolment.public_id}/meetings",
            at=at,
            once=once,
        )
