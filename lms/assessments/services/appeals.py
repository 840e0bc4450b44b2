"""Appeals: made by the trainee, answered by another person; every word stays."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.accounts import queries as accounts
from lms.assessments import queries, rules
from lms.assessments.models import Appeal, AppealStep, Sitting
from lms.assessments.rules import appeals as rule
from lms.core import audit, clock, deid, notices
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import lazy
from lms.policy import Actor, Permission, Role

MADE = notices.Kind(
    code="assessments.appeal_made",
    title=lazy("An appeal waits for your answer: %(test)s"),
    label=lazy("An appeal waits for your answer"),
    for_staff=True,
)
ANSWERED = notices.Kind(
    code="assessments.appeal_answered",
    title=lazy("Your appeal was answered: %(test)s"),
    label=lazy("Your appeal was answered"),
)


def appeal(sitting: Sitting, slot: int, words: str, *, client_uuid: str, by: Actor, at: datetime) -> Appeal:
    """Object to the marking of one question of one's own sitting (as ``queries.sitting`` loads it); two clicks make one.

    Raises RuleBroken ("no_appeals", "appeal_too_late", "answered_already", "words", "identifying"); NotFound for no such question.
    """
    policy.require(by, Permission.APPEAL_MAKE, sitting, see=Permission.SITTING_READ)
    own = rules.administered(sitting.form.slots, queries.standing(sitting.id).locked)
    place = next((one for one in own if one["slot"] == slot), None)
    if place is None:
        raise NotFound
    if again := _made(sitting, place["version"], client_uuid):
        return again
    earlier = queries.appeals_of(sitting.id).get(slot)
    rule.require_open(
        released=sitting.test.is_released,
        until=queries.appeals_until(sitting),
        at=at,
        answered=earlier is not None and earlier.state != rule.AppealState.WITHDRAWN,
    )
    kept = rule.require_words(words)
    deid.require_clean(kept, field="words")
    made = Appeal(
        sitting_id=sitting.id,
        slot=slot,
        question_version_id=place["version"],
        trainee_person_id=by.person_id,
        client_uuid=client_uuid,
        state=rule.AppealState.OPEN,
        made_at=at,
    )
    made.sitting = sitting
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:  # the other click was faster
        again = _made(sitting, place["version"], client_uuid)
        if again is None:
            raise
        return again
    _say(made, "raise", kept, by=by, at=at)
    for account_id, locale in _answerers(sitting, at):
        notices.notify(
            account_id,
            MADE,
            values={"test": _title(sitting, locale)},
            url=f"/appeals/{made.public_id}",
            at=at,
            once=f"appeal:{made.public_id}",
        )
    return made


def _made(sitting: Sitting, version_id: int, client_uuid: str) -> Appeal | None:
    mine = Appeal.trainee_person_id == sitting.trainee_person_id
    return db.session.scalar(
        select(Appeal).where(
            mine,
            (Appeal.client_uuid == client_uuid)
            | ((Appeal.question_version_id == version_id) & (Appeal.state == rule.AppealState.OPEN)),
        )
    )


def answer_appeal(found: Appeal, act: str, words: str, *, by: Actor, at: datetime) -> Appeal:
    """Uphold an appeal, in part or not; the reason goes to the trainee. The same answer twice is given once.

    What an upheld appeal changes is a correction of the key and a regrade, each by two people as always.
    """
    policy.require(by, Permission.APPEAL_ANSWER, found, see=Permission.APPEAL_READ)
    if act not in rule.ANSWERS:
        raise NotFound
    if not _move(found, act, words, by=by, at=at):
        return found
    for account in accounts.accounts_of_person(found.trainee_person_id):
        notices.notify(
            account.id,
            ANSWERED,
            values={"test": _title(found.sitting, account.locale)},
            url=f"/appeals/{found.public_id}",
            at=at,
            once=f"appeal-answer:{found.public_id}",
        )
    return found


def withdraw_appeal(found: Appeal, *, by: Actor, at: datetime) -> Appeal:
    """Take one's own appeal back; twice is once."""
    policy.require(by, Permission.APPEAL_MAKE, found, see=Permission.APPEAL_READ)
    _move(found, "withdraw", None, by=by, at=at)
    return found


def _move(found: Appeal, act: str, words: str | None, *, by: Actor, at: datetime) -> bool:
    """Whether anything was done; False: this very act was done before."""
    db.session.refresh(found, ["state"], with_for_update=True)
    said = "" if words is None else rule.require_words(words)
    newest = queries.appeal_steps(found.id)[-1]
    if found.state != rule.AppealState.OPEN and (newest.act, newest.words) == (act, said):
        return False
    target = rules.move(rule.MOVES, act, found.state)
    if said:
        deid.require_clean(said, field="words")
    found.state = target
    db.session.flush()
    _say(found, act, said, by=by, at=at)
    return True


def _say(found: Appeal, act: str, words: str, *, by: Actor, at: datetime) -> None:
    db.session.add(
        AppealStep(
            appeal_id=found.id,
            act=act,
            words=words,
            account_id=by.account_id,
            person_id=by.person_id,
            at=at,
        )
    )
    db.session.flush()
    audit.record(
        f"assessments.appeal.{act}",
        scope=f"programme:{found.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"appeal:{found.public_id}",
    )


def _title(sitting: Sitting, locale: str) -> str:
    return sitting.test.title_en if locale == "en" else sitting.test.title_zh


def _answerers(sitting: Sitting, at: datetime) -> list[tuple[int, str]]:
    """Accounts (with their language) of those who may answer, but not the trainee's own."""
    roles = [Role.EXAMINER, Role.DIRECTOR]
    if sitting.test.purpose == rules.Purpose.PRACTICE:
        roles.append(Role.EDUCATOR)
    scopes = (f"programme:{sitting.programme_id}", f"cohort:{sitting.cohort_id}")
    people = {
        person.id
        for role in roles
        for person in accounts.persons_with_role(role, *scopes, on=clock.today(at))
    }
    return [
        (account.id, account.locale)
        for person_id in sorted(people - {sitting.trainee_person_id})
        for account in accounts.accounts_of_person(person_id)
    ]
