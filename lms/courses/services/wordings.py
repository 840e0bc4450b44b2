"""Acts on the words of lectures and units: saving, asking for review, approving, publishing."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from lms import policy
from lms.core import audit, clock
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.courses import rules
from lms.courses.models import Lecture, Unit, Wording, WordingReview
from lms.courses.queries.things import Thing, newest, shape
from lms.courses.rules.wordings import REVIEW_MOVES, ReviewState, review_state
from lms.courses.services.base import kind_of, scope_of, subject_of, who
from lms.policy import Actor, Permission

REVIEW_LASTS = timedelta(days=365)
"""Proposed for the next review."""


def keep(thing: Thing, content: Mapping[str, Any], *, at: datetime, by: Actor | None) -> Wording:
    """Save words as a further wording. Of what was never published they show at once: only teachers see it."""
    last = newest(thing)
    if last is not None and last.content == content:
        return last
    row = Wording(
        lecture_id=thing.id if isinstance(thing, Lecture) else None,
        unit_id=thing.id if isinstance(thing, Unit) else None,
        number=(last.number if last else 0) + 1,
        content=dict(content),
        account_id=who(by),
        person_id=by.person_id if by else None,
        at=at,
        reviews=[],
    )
    db.session.add(row)
    if thing.state != "published":
        _show(thing, content)
    db.session.flush()
    return row


def _show(thing: Thing, content: Mapping[str, Any]) -> None:
    for name, value in content.items():
        setattr(thing, name, value)


def publish_thing(thing: Thing, *, at: datetime, by: Actor | None) -> None:
    """Show learners the newest words; RuleBroken("not_approved") where the course asks for a review first."""
    last = newest(thing)
    if last is None:
        return
    approval = next((one for one in reversed(last.reviews) if one.act == "approve"), None)
    if by is not None and thing.module.course.needs_review and approval is None:
        raise RuleBroken(
            "not_approved", _("This course asks for a clinical review first. Ask for it, then publish.")
        )
    changed = last.content != thing.content
    _show(thing, last.content)
    if approval is not None:
        thing.reviewed_at, thing.review_due_on = approval.at, approval.due_on
    db.session.flush()
    if changed:
        audit.record(
            f"courses.{kind_of(thing)}.publish",
            scope=scope_of(thing.cohort),
            at=at,
            account_id=who(by),
            subject=subject_of(thing),
            detail={"wording": last.number},
        )


def ask_review(thing: Thing, *, at: datetime, by: Actor) -> None:
    """Ask the clinical reviewers to look at the newest words."""
    policy.require(by, Permission.COURSE_EDIT, thing, see=Permission.COURSE_READ)
    row = newest(thing) or keep(thing, thing.content, at=at, by=by)
    _step(thing, row, "submit", at=at, by=by)


def ask_review_again(thing: Thing, *, at: datetime, by: Actor) -> None:
    """Have words that were approved once looked at anew, as they stand: their time is up, or a source changed."""
    policy.require(by, Permission.COURSE_EDIT, thing, see=Permission.COURSE_READ)
    last = newest(thing)
    row = Wording(
        lecture_id=thing.id if isinstance(thing, Lecture) else None,
        unit_id=thing.id if isinstance(thing, Unit) else None,
        number=(last.number if last else 0) + 1,
        content=dict(last.content if last else thing.content),
        account_id=by.account_id,
        person_id=by.person_id,
        at=at,
        reviews=[],
    )
    db.session.add(row)
    db.session.flush()
    _step(thing, row, "submit", at=at, by=by)


def approve(thing: Thing, *, number: int, due_on: date, at: datetime, by: Actor) -> None:
    """A reviewer finds the newest words right until a day. What learners already see counts as reviewed from now on."""
    row = _to_review(thing, number, by)
    if not clock.today(at) < due_on <= clock.today(at) + timedelta(days=5 * 366):
        raise RuleBroken(
            "review_due", _("Choose a day for the next review within the next five years."), field="due_on"
        )
    _step(thing, row, "approve", at=at, by=by, due_on=due_on)
    if row.content == thing.content:
        thing.reviewed_at, thing.review_due_on = at, due_on
        db.session.flush()


def return_words(thing: Thing, *, number: int, why: str, at: datetime, by: Actor) -> None:
    """A reviewer gives the words back to their author, with the reason."""
    row = _to_review(thing, number, by)
    if not why.strip():
        raise RuleBroken("reason_missing", _("Say what has to be changed."), field="why")
    _step(thing, row, "return", at=at, by=by, words=why.strip())


def _to_review(thing: Thing, number: int, by: Actor) -> Wording:
    row = newest(thing)
    if row is None or row.number != number:
        raise RuleBroken("changed_meanwhile", _("The words were changed meanwhile. Please reload the page."))
    policy.require(by, Permission.WORDING_REVIEW, shape(thing, row), see=Permission.DRAFT_READ)
    return row


def _step(
    thing: Thing,
    row: Wording,
    act: str,
    *,
    at: datetime,
    by: Actor,
    due_on: date | None = None,
    words: str = "",
) -> None:
    rules.move(REVIEW_MOVES, act, ReviewState(review_state(one.act for one in row.reviews)))
    step = WordingReview(
        wording_id=row.id,
        act=act,
        words=words,
        due_on=due_on,
        account_id=by.account_id,
        person_id=by.person_id,
        at=at,
    )
    row.reviews.append(step)
    db.session.flush()
    audit.record(
        f"courses.{kind_of(thing)}.{'ask' if act == 'submit' else act}",
        scope=scope_of(thing.cohort),
        at=at,
        account_id=by.account_id,
        subject=subject_of(thing),
        detail={"wording": row.number},
    )
