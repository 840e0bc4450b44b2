"""Acts around lectures: the calendar's address, announcements, the discussion."""

import hashlib
from datetime import datetime

from sqlalchemy import select, update

from lms import policy
from lms.accounts import queries as accounts
from lms.core import audit, deid, ids, limits, markdown, notices
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.courses.models import Announcement, Feed, Lecture, Post
from lms.courses.queries import around
from lms.courses.services.base import scope_of
from lms.courses.services.things import require_readable
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort

ANNOUNCED = notices.Kind(
    code="courses.announcement",
    title=lazy("Announcement: %(title)s"),
    label=lazy("Announcement to your cohort"),
)
ANSWERED = notices.Kind(
    code="courses.post_answered",
    title=lazy("Your question was answered: %(title)s"),
    label=lazy("Your question under a lecture was answered"),
    by_mail=False,
)
POSTS_PER_HOUR = 20


# Calendar


def make_feed(*, at: datetime, by: Actor) -> str:
    """A new secret for the account's calendar address; the one before works no longer. The secret is told this once."""
    revoke_feed(at=at, by=by)
    secret = ids.token()
    db.session.add(
        Feed(account_id=by.account_id, secret_sha256=hashlib.sha256(secret.encode()).hexdigest(), made_at=at)
    )
    db.session.flush()
    audit.record("courses.feed.make", scope="site", at=at, account_id=by.account_id, subject="feed")
    return secret


def revoke_feed(*, at: datetime, by: Actor) -> None:
    """The account's calendar address leads nowhere from now on."""
    gone = db.session.execute(
        update(Feed)
        .where(Feed.account_id == by.account_id, Feed.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(Feed.id)
    ).all()
    if gone:
        audit.record("courses.feed.revoke", scope="site", at=at, account_id=by.account_id, subject="feed")


# Announcements


def announce(
    cohort: Cohort, *, title: str, text: str, client_uuid: str | None, at: datetime, by: Actor
) -> Announcement:
    """Tell a cohort something: everybody in training gets a notice. The same ``client_uuid`` twice is one."""
    policy.require(by, Permission.ANNOUNCE, cohort)
    deid.require_clean(title, field="title")
    require_readable(text=text)
    again = db.session.scalar(
        select(Announcement).where(
            Announcement.client_uuid == client_uuid, Announcement.person_id == by.person_id
        )
    )
    if client_uuid and again is not None:
        return again
    row = Announcement(
        cohort_id=cohort.id,
        title=title,
        text=text,
        client_uuid=client_uuid or None,
        person_id=by.person_id,
        at=at,
    )
    db.session.add(row)
    db.session.flush()
    for account in around.enrolled_accounts(cohort.id):
        notices.notify(
            account.id,
            ANNOUNCED,
            values={"title": title},
            url=f"/announcements#{row.public_id}",
            at=at,
            once=f"announcement:{row.public_id}",
        )
    audit.record(
        "courses.announcement.make",
        scope=scope_of(cohort),
        at=at,
        account_id=by.account_id,
        subject=f"announcement:{row.public_id}",
    )
    return row


# Discussion


def ask(
    lecture: Lecture, *, text: str, at_s: int | None, client_uuid: str | None, at: datetime, by: Actor
) -> Post:
    """Ask under a lecture, about a moment of its film or the whole. The same ``client_uuid`` twice is one question."""
    return _post(lecture, text, at_s=at_s, parent=None, client_uuid=client_uuid, at=at, by=by)


def answer(
    lecture: Lecture, question: Post, *, text: str, client_uuid: str | None, at: datetime, by: Actor
) -> Post:
    """Answer a question; whoever asked is told."""
    if question.lecture_id != lecture.id or question.parent_id is not None or question.hidden_at:
        raise RuleBroken("no_question", _("This question cannot be answered any more."))
    made = _post(lecture, text, at_s=None, parent=question, client_uuid=client_uuid, at=at, by=by)
    if question.person_id != by.person_id:
        for account in accounts.accounts_of_person(question.person_id):
            notices.notify(
                account.id,
                ANSWERED,
                values={"title": markdown.plain(question.text, limit=60)},
                url=f"/lectures/{lecture.public_id}/discussion#{question.public_id}",
                at=at,
                once=f"answer:{made.public_id}",
            )
    return made


def _post(
    lecture: Lecture,
    text: str,
    *,
    at_s: int | None,
    parent: Post | None,
    client_uuid: str | None,
    at: datetime,
    by: Actor,
) -> Post:
    policy.require(by, Permission.POST_WRITE, lecture, see=Permission.COURSE_READ)
    if not text.strip():
        raise RuleBroken("text_missing", _("Write a few words."), field="text")
    deid.require_clean(text, field="text")
    again = db.session.scalar(
        select(Post).where(Post.client_uuid == client_uuid, Post.person_id == by.person_id)
    )
    if client_uuid and again is not None:
        return again
    limits.hit(f"post:{by.person_id}", limit=POSTS_PER_HOUR, per_s=3600, at=at)
    row = Post(
        lecture_id=lecture.id,
        parent_id=parent.id if parent else None,
        at_s=at_s,
        text=text.strip(),
        client_uuid=client_uuid or None,
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(row)
    db.session.flush()
    _note(lecture, row, "write", at=at, by=by)
    return row


def mark_answer(lecture: Lecture, row: Post, *, marked: bool, at: datetime, by: Actor) -> None:
    """A teacher says that an answer is right, or takes that back."""
    policy.require(by, Permission.POST_MODERATE, lecture, see=Permission.COURSE_READ)
    if row.lecture_id != lecture.id or row.parent_id is None:
        raise RuleBroken("no_answer", _("Only an answer can be marked."))
    if (row.answer_marked_at is not None) != marked:
        row.answer_marked_at = at if marked else None
        db.session.flush()
        _note(lecture, row, "mark" if marked else "unmark", at=at, by=by)


def hide_post(lecture: Lecture, row: Post, *, why: str, at: datetime, by: Actor) -> None:
    """A teacher hides a post, with the reason that everybody sees; the words are kept."""
    policy.require(by, Permission.POST_MODERATE, lecture, see=Permission.COURSE_READ)
    if row.lecture_id != lecture.id:
        raise RuleBroken("no_post", _("This post stands elsewhere."))
    if not why.strip():
        raise RuleBroken("reason_missing", _("Say why it is hidden."), field="why")
    deid.require_clean(why, field="why")
    if row.hidden_at is None:
        row.hidden_at, row.hidden_why = at, why.strip()
        db.session.flush()
        _note(lecture, row, "hide", at=at, by=by)


def show_post(lecture: Lecture, row: Post, *, at: datetime, by: Actor) -> None:
    """A teacher shows a hidden post again."""
    policy.require(by, Permission.POST_MODERATE, lecture, see=Permission.COURSE_READ)
    if row.lecture_id == lecture.id and row.hidden_at is not None:
        row.hidden_at, row.hidden_why = None, ""
        db.session.flush()
        _note(lecture, row, "show", at=at, by=by)


def _note(lecture: Lecture, row: Post, act: str, *, at: datetime, by: Actor) -> None:
    audit.record(
        f"courses.post.{act}",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"post:{row.public_id}",
    )
