"""Notices: a result is there, a proposal waits for another person's decision."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import contains_eager

from lms.accounts import queries as accounts
from lms.assessments.models import Question, Sitting, Test
from lms.core import clock, notices
from lms.core.db import db
from lms.core.i18n import lazy
from lms.policy import Actor, Role

RESULT = notices.Kind(
    code="assessments.result",
    title=lazy("Your result is there: %(test)s"),
    label=lazy("The result of a test is there"),
)
REVIEW_WAITS = notices.Kind(
    code="assessments.review_waits",
    title=lazy("Questions wait for your review: %(bank)s"),
    label=lazy("Questions wait for your review"),
    for_staff=True,
)
KEY_WAITS = notices.Kind(
    code="assessments.key_waits",
    title=lazy("The corrected key of question %(code)s waits for your decision"),
    label=lazy("A corrected key waits for your decision"),
    for_staff=True,
)


def tell_results(*, at: datetime, limit: int = 200) -> int:
    """Tell trainees that a result may be seen which they have not been shown; returns how many sittings."""
    rows = db.session.scalars(
        select(Sitting)
        .join(Test, Test.id == Sitting.test_id)
        .options(contains_eager(Sitting.test))
        .where(
            Sitting.told_at.is_(None),
            Sitting.marked_at.is_not(None),
            or_(Test.release == "at_once", Test.released_at.is_not(None)),
        )
        .order_by(Sitting.id)
        .limit(limit)
        .with_for_update(of=Sitting, skip_locked=True)
    ).all()
    for sitting in rows:
        sitting.told_at = at
        for account in accounts.accounts_of_person(sitting.trainee_person_id):
            test = sitting.test
            notices.notify(
                account.id,
                RESULT,
                values={"test": test.title_en if account.locale == "en" else test.title_zh},
                url=f"/sittings/{sitting.public_id}/result",
                at=at,
                once=f"result:{sitting.public_id}",
            )
    return len(rows)


def review_waits(question: Question, *, author_person_id: int | None, by: Actor, at: datetime) -> None:
    """Tell whoever may review it; once a day for each bank, however many questions are handed in."""
    bank = question.bank
    for account_id, locale in _deciders(
        question, (Role.CLINICAL_REVIEWER, Role.EXAMINER, Role.DIRECTOR), {author_person_id, by.person_id}, at
    ):
        notices.notify(
            account_id,
            REVIEW_WAITS,
            values={"bank": bank.title_en if locale == "en" else bank.title_zh},
            url=f"/bank/{bank.public_id}?state=in_review",
            at=at,
            once=f"review:{bank.public_id}:{clock.today(at).isoformat()}",
        )


def key_waits(question: Question, approval_id: str, *, by: Actor, at: datetime) -> None:
    """Tell whoever may decide on a corrected key."""
    for account_id, _locale in _deciders(question, (Role.EXAMINER, Role.DIRECTOR), {by.person_id}, at):
        notices.notify(
            account_id,
            KEY_WAITS,
            values={"code": question.code},
            url=f"/questions/{question.public_id}",
            at=at,
            once=f"approval:{approval_id}",
        )


def _deciders(
    question: Question, roles: tuple[Role, ...], but: set[int | None], at: datetime
) -> list[tuple[int, str]]:
    """Accounts (with their language) of the people who hold one of the roles where the question lies."""
    people = {
        person.id
        for role in roles
        for person in accounts.persons_with_role(
            role, f"programme:{question.programme_id}", on=clock.today(at)
        )
    }
    return [
        (account.id, account.locale)
        for person_id in sorted(people - but)
        for account in accounts.accounts_of_person(person_id)
    ]
