"""What an invigilator does while others sit: stop and start the clock, give time, say something, write an incident down."""

from datetime import datetime

from sqlalchemy import insert, select

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import Accommodation, ClockEvent, Sitting, SittingNote, Test
from lms.assessments.services.sitting import ACCOMMODATION, DOUBLE_CLICK, locked, require_running
from lms.core import audit, deid
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Enrolment

MOST_WORDS = 500


def extend(sitting: Sitting, *, minutes: int, reason: str, by: Actor, at: datetime) -> Sitting:
    """Give one candidate more time; counts from the next answer or heartbeat on."""
    policy.require(by, Permission.SITTING_SUPERVISE, sitting, see=Permission.SITTING_READ)
    ms = rules.require_extension(minutes, reason)
    sitting = locked(sitting.id)
    require_running(sitting, "extend", at)
    _tick(sitting, "extend", ms=ms, reason=reason.strip()[:200], by=by, at=at)
    return sitting


def pause(sitting: Sitting, *, reason: str, by: Actor, at: datetime) -> Sitting:
    """Stop the clock of one candidate and cover the paper. A clock that stands stays as it is."""
    policy.require(by, Permission.SITTING_SUPERVISE, sitting, see=Permission.SITTING_READ)
    words = rules.require_reason(reason)
    sitting = locked(sitting.id)
    require_running(sitting, "pause", at)
    if queries.reckoning(sitting, at).paused_since is None:
        _tick(sitting, "pause", reason=words, by=by, at=at)
    return sitting


def resume(sitting: Sitting, *, by: Actor, at: datetime) -> Sitting:
    """Let the clock of one candidate run on. A clock that runs stays as it is."""
    policy.require(by, Permission.SITTING_SUPERVISE, sitting, see=Permission.SITTING_READ)
    sitting = locked(sitting.id)
    require_running(sitting, "resume", at)
    if queries.reckoning(sitting, at).paused_since is not None:
        _tick(sitting, "resume", by=by, at=at)
    return sitting


def extend_all(test: Test, *, minutes: int, reason: str, by: Actor, at: datetime) -> int:
    """Give everybody who sits the test now more time; how many that were."""
    policy.require(by, Permission.SITTING_SUPERVISE, test, see=Permission.TEST_READ)
    ms = rules.require_extension(minutes, reason)
    return _for_all(test, "extend", ms=ms, reason=reason.strip()[:200], by=by, at=at)


def pause_all(test: Test, *, reason: str, by: Actor, at: datetime) -> int:
    """Stop the clock of everybody who sits the test now; how many that were."""
    policy.require(by, Permission.SITTING_SUPERVISE, test, see=Permission.TEST_READ)
    return _for_all(test, "pause", reason=rules.require_reason(reason), by=by, at=at)


def resume_all(test: Test, *, by: Actor, at: datetime) -> int:
    """Let the clock of everybody who sits the test now run on; how many that were."""
    policy.require(by, Permission.SITTING_SUPERVISE, test, see=Permission.TEST_READ)
    return _for_all(test, "resume", by=by, at=at)


def _for_all(test: Test, kind: str, *, ms: int = 0, reason: str = "", by: Actor, at: datetime) -> int:
    """The same tick for everybody who sits: one moment for all, and a few statements however many they are.

    A clock that stands (or runs) already stays as it is. The trail has one line; the clock events say whom it reached.
    """
    locked_ids = db.session.scalars(
        select(Sitting.id)
        .where(Sitting.test_id == test.id, Sitting.state == rules.SittingState.IN_PROGRESS)
        .order_by(Sitting.id)
        .with_for_update()
    ).all()
    ticks = queries.clock_events(locked_ids)
    stands = {
        number: rules.reckon(ticks[number], duration_s=test.duration_s, closes_at=test.closes_at, at=at)
        for number in locked_ids
    }
    running = [
        number
        for number in locked_ids
        if not rules.is_expired(rules.SittingState.IN_PROGRESS, stands[number].ends_at, at)
    ]
    unmoved = {
        number
        for number in running
        if (kind != "extend" and (stands[number].paused_since is None) == (kind == "resume"))
        or _was_just_done(ticks[number][-1], kind, ms, reason, by, at)
    }
    rows = [
        {
            "sitting_id": number,
            "kind": kind,
            "ms": ms,
            "reason": reason,
            "account_id": by.account_id,
            "at": at,
        }
        for number in running
        if number not in unmoved
    ]
    if rows:
        db.session.execute(insert(ClockEvent), rows)
        audit.record(
            f"assessments.test.{kind}",
            scope=f"programme:{test.programme_id}",
            at=at,
            account_id=by.account_id,
            subject=f"test:{test.public_id}",
            sittings=len(rows),
            ms=ms,
        )
    return len(running)


def _was_just_done(last: ClockEvent, kind: str, ms: int, reason: str, by: Actor, at: datetime) -> bool:
    """Whether the same person did just that a moment ago."""
    return (last.kind, last.ms, last.reason, last.account_id) == (kind, ms, reason, by.account_id) and (
        at - last.at < DOUBLE_CLICK
    )


def _tick(sitting: Sitting, kind: str, *, ms: int = 0, reason: str = "", by: Actor, at: datetime) -> None:
    """Write a clock event down, unless the same person did just that a moment ago."""
    last = queries.clock_events([sitting.id])[sitting.id][-1]
    if _was_just_done(last, kind, ms, reason, by, at):
        return
    db.session.add(
        ClockEvent(sitting_id=sitting.id, kind=kind, ms=ms, reason=reason, account_id=by.account_id, at=at)
    )
    db.session.flush()
    audit.record(
        f"assessments.sitting.{kind}",
        scope=f"sitting:{sitting.id}",
        at=at,
        account_id=by.account_id,
        subject=f"sitting:{sitting.public_id}",
        ms=ms,
    )


def note(
    test: Test, sitting: Sitting | None, *, kind: str, words: str, client_uuid: str, by: Actor, at: datetime
) -> SittingNote:
    """Say something to one candidate or all (``message``), or write down what happened (``incident``)."""
    policy.require(by, Permission.SITTING_SUPERVISE, test, see=Permission.TEST_READ)
    known = db.session.scalar(
        select(SittingNote).where(
            SittingNote.account_id == by.account_id, SittingNote.client_uuid == client_uuid
        )
    )
    if known is not None:
        return known
    text = words.strip()
    if not text:
        raise RuleBroken("words_missing", _("Write a few words."), field="words")
    if len(text) > MOST_WORDS:
        raise RuleBroken(
            "words_long", _("Keep it within %(most)s characters.", most=MOST_WORDS), field="words"
        )
    deid.require_clean(text, field="words")
    made = SittingNote(
        test_id=test.id,
        sitting_id=sitting.id if sitting else None,
        kind=kind,
        words=text,
        client_uuid=client_uuid,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(made)
    db.session.flush()
    audit.record(
        f"assessments.test.{kind}",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"sitting:{sitting.public_id}" if sitting else f"test:{test.public_id}",
        note=made.public_id,
    )
    return made


def accommodate(
    test: Test, enrolment: Enrolment, *, percent: int, minutes: int, need: str, by: Actor, at: datetime
) -> Accommodation | None:
    """Give one trainee more time in every test of their cohort from now on; tests that run get it at once.

    Less than before counts from the next test on: nobody's running time is shortened. None: nothing was changed.
    """
    policy.require(by, Permission.SITTING_SUPERVISE, test, see=Permission.TEST_READ)
    rules.require_accommodation(percent, minutes)
    before = queries.accommodation(enrolment.id)
    if before and (before.percent, before.minutes, before.need) == (percent, minutes, need):
        return None
    made = Accommodation(
        enrolment_id=enrolment.id,
        percent=percent,
        minutes=minutes,
        need=need,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(made)
    db.session.flush()
    audit.record(
        "assessments.enrolment.accommodate",
        scope=f"cohort:{enrolment.cohort_id}",
        at=at,
        account_id=by.account_id,
        subject=f"enrolment:{enrolment.public_id}",
        percent=percent,
        minutes=minutes,
    )
    for number in queries.running_of(enrolment.id, at):
        sitting = locked(number)
        had = sum(one.ms for one in queries.clock_events([number])[number] if one.reason == ACCOMMODATION)
        gets = rules.accommodated_ms(percent, minutes, duration_s=sitting.test.duration_s)
        if gets > had:
            _tick(sitting, "extend", ms=gets - had, reason=ACCOMMODATION, by=by, at=at)
    return made
