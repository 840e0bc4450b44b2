"""What stands around lectures: one's own dates, announcements, the discussion under a lecture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Account
from lms.core import calendars, ids, ports
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import _, pick
from lms.courses.models import Announcement, Course, Feed, Lecture, Module, Post, Unit
from lms.courses.rules import release
from lms.policy import Actor, Permission, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment, Placement

ANNOUNCERS = (Role.EDUCATOR, Role.COORDINATOR, Role.DIRECTOR)


# Calendar

_MODELS: tuple[tuple[str, type[Lecture] | type[Unit]], ...] = (("lectures", Lecture), ("units", Unit))


def dates(person_id: int) -> list[calendars.Entry]:
    """A person's own dates, in order: cohort, placements, what opens when, and what other features know (tests)."""
    found: list[calendars.Entry] = []
    enrolments = db.session.scalars(
        select(Enrolment)
        .options(joinedload(Enrolment.cohort).joinedload(Cohort.programme))
        .where(Enrolment.person_id == person_id, Enrolment.state != "withdrawn")
    ).all()
    for enrolment in enrolments:
        cohort = enrolment.cohort
        title = pick(cohort.programme.title_zh, cohort.programme.title_en)
        for name, day, words in (
            ("first", cohort.start_on, _("Begins: %(title)s", title=title)),
            ("last", cohort.end_on, _("Last day: %(title)s", title=title)),
        ):
            found.append(calendars.Entry(f"cohort-{cohort.public_id}-{name}", words, day, day, "/"))
    own = [enrolment.id for enrolment in enrolments]
    for placement in db.session.scalars(select(Placement).where(Placement.enrolment_id.in_(own))):
        unit = _("Other unit") if placement.unit == "other" else placement.unit
        found.append(
            calendars.Entry(
                f"placement-{placement.public_id}",
                _("Placement: %(unit)s", unit=unit),
                placement.from_on,
                placement.to_on,
                "/",
            )
        )
    cohorts = [enrolment.cohort_id for enrolment in enrolments]
    for kind, model in _MODELS:
        opening: Select[Any] = (
            select(model)
            .join(Module, Module.id == model.module_id)
            .join(Course, Course.id == Module.course_id)
            .where(model.cohort_id.in_(cohorts), model.state == "published", Course.state == "published")
        )
        for one in db.session.scalars(opening):
            days = [leaf["from"] for leaf in release.leaves(one.release) if "from" in leaf]
            if days:
                day = date.fromisoformat(max(days))
                found.append(
                    calendars.Entry(
                        f"opens-{one.public_id}",
                        _("Opens: %(title)s", title=pick(one.title_zh, one.title_en)),
                        day,
                        day,
                        f"/{kind}/{one.public_id}",
                    )
                )
    for provider in ports.dates:
        found += [
            calendars.Entry(one.key, pick(one.title_zh, one.title_en), one.begins, one.ends, one.url)
            for one in provider(person_id)
        ]
    return sorted(found, key=_begins)


def _begins(entry: calendars.Entry) -> tuple[str, str]:
    return (entry.begins.isoformat(), entry.uid)


def feed_of(by: Actor) -> Feed | None:
    """The calendar address that an account has now."""
    return db.session.scalar(
        select(Feed)
        .where(Feed.account_id == by.account_id, Feed.revoked_at.is_(None))
        .order_by(Feed.id.desc())
        .limit(1)
    )


def reader_of(secret: str) -> Account:
    """Whose calendar a secret address shows. Raises NotFound where it is unknown, revoked, or the account is shut."""
    digest = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
    found = db.session.scalar(
        select(Account)
        .join(Feed, Feed.account_id == Account.id)
        .where(Feed.secret_sha256 == digest, Feed.revoked_at.is_(None), Account.disabled_at.is_(None))
    )
    if found is None:
        raise NotFound
    return found


# Announcements


def announcements(by: Actor, *, most: int = 50) -> Sequence[Announcement]:
    """What was announced to the cohorts of a learner or teacher, the newest first."""
    query = (
        select(Announcement)
        .join(Cohort, Cohort.id == Announcement.cohort_id)
        .options(joinedload(Announcement.cohort), joinedload(Announcement.person))
    )
    readers = (*programmes.RUNNERS, Role.TRAINEE)
    cohort_ids, programme_ids = by.scope_ids("cohort", *readers), by.scope_ids("programme", *readers)
    if cohort_ids is not None and programme_ids is not None:
        query = query.where(or_(Cohort.id.in_(cohort_ids), Cohort.programme_id.in_(programme_ids)))
    return db.session.scalars(query.order_by(Announcement.id.desc()).limit(most)).all()


def announced_cohorts(by: Actor) -> list[Cohort]:
    """The cohorts to which the actor may announce something."""
    return [cohort for cohort in programmes.cohorts(by) if policy.allows(by, Permission.ANNOUNCE, cohort)]


def enrolled_accounts(cohort_id: int) -> Sequence[Account]:
    """The accounts of everybody who is in training in a cohort."""
    return db.session.scalars(
        select(Account)
        .join(Enrolment, Enrolment.person_id == Account.person_id)
        .where(
            Enrolment.cohort_id == cohort_id,
            Enrolment.state.in_(("active", "paused")),
            Account.disabled_at.is_(None),
        )
        .order_by(Account.id)
    ).all()


# Discussion


@dataclass(frozen=True)
class Thread:
    """A question with its answers."""

    question: Post
    answers: tuple[Post, ...]

    @property
    def is_answered(self) -> bool:
        """Whether a teacher marked an answer."""
        return any(one.answer_marked_at and not one.hidden_at for one in self.answers)


def threads(lecture: Lecture) -> list[Thread]:
    """The discussion under a lecture, by the moments of the film, then by time."""
    posts = db.session.scalars(
        select(Post).options(joinedload(Post.person)).where(Post.lecture_id == lecture.id).order_by(Post.id)
    ).all()
    answers: dict[int, list[Post]] = {}
    for post in posts:
        if post.parent_id is not None:
            answers.setdefault(post.parent_id, []).append(post)
    found = [
        Thread(
            post, tuple(sorted(answers.get(post.id, ()), key=lambda one: (not one.answer_marked_at, one.id)))
        )
        for post in posts
        if post.parent_id is None
    ]
    return sorted(found, key=lambda one: (one.question.at_s is None, one.question.at_s or 0, one.question.id))


def post(public_id: str) -> Post:
    """One post; whoever asks holds the lecture's door. Raises NotFound."""
    found = (
        db.session.scalar(select(Post).options(joinedload(Post.person)).where(Post.public_id == public_id))
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    return found


def lecture_id_of(row: Post) -> str:
    """The public id of the lecture under which a post stands."""
    return db.session.scalars(select(Lecture.public_id).where(Lecture.id == row.lecture_id)).one()


def asked_at(text: str) -> int | None:
    """``1:05`` or ``65`` as seconds; None where nothing readable was written."""
    minutes, colon, seconds = text.strip().rpartition(":")
    if not seconds.isascii() or not seconds.isdecimal() or (colon and not minutes.isdecimal()):
        return None
    found = int(minutes or 0) * 60 + int(seconds)
    return found if found < 86_400 else None
