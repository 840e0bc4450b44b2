"""Sittings: start, take over, hand in, and the marks."""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import ClockEvent, Grade, GradeRun, KeyRevision, Mark, Sitting, Test
from lms.assessments.queries.markers import settled_shares, waits_for_people
from lms.assessments.rules.papers import form_for
from lms.assessments.services.markers import begin_waiting
from lms.assessments.services.receipts import give_receipt, new_receipt
from lms.core import audit, jobs, ports
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import NotAllowed, NotFound
from lms.core.i18n import _
from lms.core.ports import FactChanged
from lms.policy import Actor, Permission
from lms.programmes.models import Enrolment

log = logging.getLogger("lms.assessments")

MARK_JOB = "assessments.mark"
ACCOMMODATION = "accommodation"
"""The reason of a clock event that an accommodation makes."""
DOUBLE_CLICK = timedelta(minutes=1)
"""Within it the same person giving the same time for the same reason means it once."""


def start(test: Test, *, client_uuid: str, by: Actor, at: datetime) -> Sitting:
    """Begin an attempt, or give back the one that runs: two clicks make one sitting.

    Raises RuleBroken with the reason when no attempt may begin.
    """
    policy.require(by, Permission.SITTING_START, test, see=Permission.TEST_READ)
    enrolment = db.session.scalar(
        select(Enrolment)
        .where(Enrolment.cohort_id == test.cohort_id, Enrolment.person_id == by.person_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if enrolment is None or enrolment.state != "active":
        raise NotAllowed(_("Only active trainees of this cohort can take the test."))
    sittings = db.session.scalars(
        select(Sitting)
        .where(Sitting.test_id == test.id, Sitting.enrolment_id == enrolment.id)
        .order_by(Sitting.attempt)
    ).all()
    if again := next((sitting for sitting in sittings if sitting.client_uuid == client_uuid), None):
        return again
    for sitting in sittings:
        if sitting.state == rules.SittingState.IN_PROGRESS and not close_if_expired(sitting.id, at=at):
            return sitting
    graded = queries.passed_of(test, enrolment.id) if test.is_released else False
    rules.require_start(
        opens_at=test.opens_at,
        closes_at=test.last_start_at,
        at=at,
        used=len(sittings),
        allowed=test.attempts_allowed,
        passed=graded,
        last_ended_at=sittings[-1].submitted_at if sittings else None,
        cooldown_days=test.cooldown_days,
        being_marked=any(one.marking_since is not None and one.marked_at is None for one in sittings),
    )
    sitting = Sitting(
        test_id=test.id,
        form_id=_form_for(test, enrolment, sittings),
        enrolment_id=enrolment.id,
        trainee_person_id=by.person_id,
        attempt=len(sittings) + 1,
        client_uuid=client_uuid,
        seed=secrets.token_hex(32),
        started_at=at,
        writer_epoch=1,
        state=rules.SittingState.IN_PROGRESS,
    )
    db.session.add(sitting)
    db.session.flush()
    db.session.add(ClockEvent(sitting_id=sitting.id, kind="start", ms=0, account_id=by.account_id, at=at))
    more = queries.accommodation(enrolment.id)
    ms = rules.accommodated_ms(more.percent, more.minutes, duration_s=test.duration_s) if more else 0
    if ms:
        db.session.add(ClockEvent(sitting_id=sitting.id, kind="extend", ms=ms, reason=ACCOMMODATION, at=at))
    audit.record(
        "assessments.sitting.start",
        scope=f"sitting:{sitting.id}",
        at=at,
        account_id=by.account_id,
        subject=f"sitting:{sitting.public_id}",
        attempt=sitting.attempt,
    )
    return sitting


def _form_for(test: Test, enrolment: Enrolment, before: Sequence[Sitting]) -> int:
    """The paper of a candidate's next attempt; see rules.papers.form_for."""
    forms = queries.forms_of(test.id)
    rank = db.session.execute(
        select(func.count()).where(Enrolment.cohort_id == test.cohort_id, Enrolment.id < enrolment.id)
    ).scalar_one()
    seed = rules.sub_seed(bytes.fromhex(forms[0].sha256), f"test:{test.public_id}")
    return form_for(rank, [sitting.form_id for sitting in before], [form.id for form in forms], seed)


def locked(sitting_id: int) -> Sitting:
    """A sitting that nobody else can answer in, submit or extend until this transaction ends."""
    found = db.session.scalar(
        select(Sitting)
        .options(joinedload(Sitting.test).joinedload(Test.cohort), joinedload(Sitting.form))
        .where(Sitting.id == sitting_id)
        .with_for_update(of=Sitting)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found


def take_over(sitting: Sitting, *, by: Actor, at: datetime) -> Sitting:
    """Let this browser write from now on; every other one becomes read-only."""
    policy.require(by, Permission.SITTING_ANSWER, sitting, see=Permission.SITTING_READ)
    sitting = locked(sitting.id)
    require_running(sitting, "take_over", at)
    sitting.writer_epoch += 1
    audit.record(
        "assessments.sitting.take_over",
        scope=f"sitting:{sitting.id}",
        at=at,
        account_id=by.account_id,
        subject=f"sitting:{sitting.public_id}",
        epoch=sitting.writer_epoch,
    )
    return sitting


def require_running(sitting: Sitting, name: str, at: datetime) -> None:
    """Raises RuleBroken("wrong_state") where the move ``name`` comes too late."""
    rules.move(rules.SITTING_MOVES, name, rules.state_at(sitting.state, queries.ends_at(sitting, at), at))


def submit(sitting: Sitting, *, by: Actor, at: datetime) -> Sitting:
    """Hand a sitting in and mark it; handing in again changes nothing and shows the same receipt.

    After the time (and its grace) is over the clock has handed it in, whatever the button says.
    """
    policy.require(by, Permission.SITTING_ANSWER, sitting, see=Permission.SITTING_READ)
    sitting = locked(sitting.id)
    if sitting.state != rules.SittingState.IN_PROGRESS:
        return sitting
    ends_at = queries.ends_at(sitting, at)
    if rules.is_expired(sitting.state, ends_at, at):
        _expire(sitting, ends_at, at)
    else:
        sitting.state = rules.move(rules.SITTING_MOVES, "submit", sitting.state)
        sitting.submitted_at = at
        audit.record(
            "assessments.sitting.submit",
            scope=f"sitting:{sitting.id}",
            at=at,
            account_id=by.account_id,
            subject=f"sitting:{sitting.public_id}",
        )
        new_receipt(sitting, at=at)
    _mark_now(sitting, at)
    return sitting


def give_receipt_late(sitting_id: int, *, at: datetime) -> str | None:
    """The receipt of a sitting that was handed in without one: by an earlier version, or while the key was out of reach."""
    return give_receipt(locked(sitting_id), at=at)


def close_if_expired(sitting_id: int, *, at: datetime) -> bool:
    """Write down and mark what the clock has handed in; whether the sitting is over."""
    sitting = locked(sitting_id)
    if sitting.state == rules.SittingState.IN_PROGRESS:
        ends_at = queries.ends_at(sitting, at)
        if not rules.is_expired(sitting.state, ends_at, at):
            return False
        _expire(sitting, ends_at, at)
    if sitting.marked_at is None and sitting.gave_up_at is None and sitting.marking_since is None:
        _mark_now(sitting, at)
    return True


def expire_overdue(*, at: datetime, limit: int = 500) -> int:
    """Write down which sittings the clock has handed in; marking follows as a job for each. Returns how many."""
    found = queries.overdue(at)[:limit]
    for sitting_id, _ends_at in found:
        sitting = locked(sitting_id)
        ends_at = queries.ends_at(sitting, at)
        if rules.is_expired(sitting.state, ends_at, at):
            _expire(sitting, ends_at, at)
            jobs.enqueue(MARK_JOB, sitting.id)
    return len(found)


def _expire(sitting: Sitting, ends_at: datetime, at: datetime) -> None:
    sitting.state = rules.move(rules.SITTING_MOVES, "expire", sitting.state)
    sitting.submitted_at = ends_at
    audit.record(
        "assessments.sitting.expire",
        scope=f"sitting:{sitting.id}",
        at=at,
        account_id=None,
        subject=f"sitting:{sitting.public_id}",
    )
    new_receipt(sitting, at=at)


def mark_sitting(sitting_id: int, *, at: datetime) -> None:
    """Mark a sitting that was handed in, once."""
    sitting = locked(sitting_id)
    if sitting.state != rules.SittingState.IN_PROGRESS and sitting.marked_at is None:
        _mark(sitting, at)


def give_marking_up(sitting_id: int, why: str, *, at: datetime) -> None:
    """No further attempt until an examiner asks for one; the reason is kept for the desk of the test."""
    sitting = locked(sitting_id)
    if sitting.marked_at is None:
        sitting.gave_up_at, sitting.failure = at, why[:400]
        db.session.flush()


def mark_again(sitting: Sitting, *, by: Actor, at: datetime) -> None:
    """Try a sitting again whose marking was given up; twice is once."""
    policy.require(by, Permission.TEST_MANAGE, sitting.test, see=Permission.TEST_READ)
    sitting = locked(sitting.id)
    if sitting.gave_up_at is None:
        return
    sitting.gave_up_at = sitting.retry_at = sitting.failure = None
    sitting.attempts = 0
    db.session.flush()
    audit.record(
        "assessments.sitting.mark_again",
        scope=f"sitting:{sitting.id}",
        at=at,
        account_id=by.account_id,
        subject=f"sitting:{sitting.public_id}",
    )
    jobs.enqueue(MARK_JOB, sitting.id)


def _mark_now(sitting: Sitting, at: datetime) -> None:
    """Mark at once; where that fails the hand-in stands all the same, and the job tries again."""
    try:
        with db.session.begin_nested():
            _mark(sitting, at)
            if sitting.test.is_released and sitting.marked_at is not None:
                sitting.told_at = at  # the trainee is looking: the next page shows the result
    except Exception:
        log.exception("sitting %s could not be marked at once", sitting.id)
        jobs.enqueue(MARK_JOB, sitting.id)


def mark_anew(sitting: Sitting, *, reason: str, at: datetime) -> None:
    """Mark the answers of a marked sitting (locked) that stand by now, in a run of its own; earlier runs stay as they are."""
    before = queries.run_of(sitting.test_id)
    run = GradeRun(
        test_id=sitting.test_id,
        n=before.n + 1,
        keys=dict(before.keys),
        keys_sha256=before.keys_sha256,
        engine_version=rules.ENGINE_VERSION,
        cut_percent=before.cut_percent,
        reason=reason[:200],
        created_at=at,
    )
    db.session.add(run)
    db.session.flush()
    _mark(sitting, at)


def mark_settled(sitting: Sitting, *, at: datetime) -> None:
    """Give a sitting (held as ``locked`` gives it) its result, now that everything people mark in it is settled."""
    _mark(sitting, at)


def _mark(sitting: Sitting, at: datetime) -> None:
    """Mark the answers that stand, in the test's newest run, and give the receipt; what people mark first waits for them."""
    run = queries.run_of(sitting.test_id)
    stands = queries.standing(sitting.id)
    answers = stands.answers
    by_people = waits_for_people(sitting, answers)
    settled = settled_shares([sitting.id]) if by_people else {}
    if any((sitting.id, slot["slot"]) not in settled for slot in by_people):
        begin_waiting(sitting, by_people, at=at)
        return
    keys = {
        row.id: row
        for row in db.session.scalars(select(KeyRevision).where(KeyRevision.id.in_(list(run.keys.values()))))
    }
    versions = queries.form_items(sitting.form)
    seed = bytes.fromhex(sitting.seed)
    marks = []
    for slot in rules.administered(sitting.form.slots, stands.locked):
        revision = keys[run.keys[str(slot["version"])]]
        response = answers.get(slot["slot"])
        version = versions[slot["version"]]
        ask = rules.ask_of(version.type, version.body, slot.get("ask"), revision.key)
        drawn = rules.draw(ask.body.get("parameters") or [], rules.sub_seed(seed, f"slot:{slot['slot']}"))
        earned = rules.mark(ask, response, slot["marks"], drawn)
        if earned is None:
            earned = slot["marks"] * settled.get((sitting.id, slot["slot"]), Fraction(0))
            response = rules.as_marked(ask.kind, response)
        marks.append(
            Mark(
                grade_run_id=run.id,
                sitting_id=sitting.id,
                slot=slot["slot"],
                key_revision_id=revision.id,
                response=dict(response or {}),
                score=earned,
                maximum=Fraction(slot["marks"]),
            )
        )
    score = sum((mark.score for mark in marks), Fraction(0))
    maximum = Fraction(rules.maximum(sitting.form.slots))
    decision = rules.decision(score, maximum, run.cut_percent)
    db.session.add_all(marks)
    db.session.add(
        Grade(
            grade_run_id=run.id,
            sitting_id=sitting.id,
            score=score,
            maximum=maximum,
            cut_percent=run.cut_percent,
            decision=decision,
            at=at,
        )
    )
    assert sitting.submitted_at is not None
    sitting.marked_at = at
    sitting.receipt = digest_of(
        {
            "sitting": sitting.public_id,
            "form": sitting.form.sha256,
            "submitted_at": sitting.submitted_at.isoformat(timespec="microseconds"),
            "answers": {str(slot): dict(body) for slot, body in sorted(answers.items())},
        }
    )
    db.session.flush()
    audit.record(
        "assessments.sitting.mark",
        scope=f"sitting:{sitting.id}",
        at=at,
        account_id=None,
        subject=f"sitting:{sitting.public_id}",
        run=run.public_id,
        decision=decision,
        receipt=sitting.receipt,
    )
    if sitting.test.is_released:
        ports.fact_changed.tell(FactChanged("tests", sitting.enrolment_id, at))
