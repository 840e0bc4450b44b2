"""Acts on rounds of multisource feedback: begin, choose raters, open, answer, close, release; and what the clock does.

An answer leaves no trace of its own: no row, no event of the trail, no time. It is laid into the round's locked box,
whose content is kept in the order of its words, in the same act in which the rater's row learns that they have answered.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.core import audit, clock, deid, ids, notices, retractions, site
from lms.core.db import db
from lms.core.digests import (
    canonical_json,
    digest_of,
    lock_box,
    new_box_key,
    open_box,
    seal,
    sha256_hex,
    unseal,
)
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.logbooks.models.multisource import (
    FeedbackBox,
    FeedbackGuest,
    FeedbackRater,
    FeedbackRelease,
    FeedbackResult,
    FeedbackRound,
    FeedbackSelf,
)
from lms.logbooks.queries import chain_of
from lms.logbooks.queries import multisource as queries
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import multisource as rules
from lms.logbooks.services.record import plain
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment

WANTED = notices.Kind(
    "logbooks.feedback_wanted",
    lazy("%(trainee)s asks for multisource feedback"),
    lazy("Look through the raters, add whom you miss, and open the round."),
    label=lazy("A trainee asks for multisource feedback"),
    for_staff=True,
)
ASKED = notices.Kind(
    "logbooks.feedback_asked",
    lazy("How do you see %(trainee)s at work?"),
    lazy("Seven questions, two minutes, until %(day)s. Answers are kept without names."),
    label=lazy("Somebody asks you for feedback about a colleague"),
)
REMINDED = notices.Kind(
    "logbooks.feedback_waits",
    lazy("Your feedback on %(trainee)s is still missing"),
    lazy("Seven questions, two minutes, until %(day)s. Answers are kept without names."),
    label=lazy("Your feedback about a colleague is still missing"),
)
CLOSED = notices.Kind(
    "logbooks.feedback_closed",
    lazy("The feedback on %(trainee)s is there"),
    lazy("Read it, talk it over together, then release it."),
    label=lazy("The feedback on a trainee of yours is there"),
    for_staff=True,
)
LAPSED = notices.Kind(
    "logbooks.feedback_lapsed",
    lazy("The feedback round on %(trainee)s ended without enough answers"),
    lazy("What was answered is deleted unread. Begin another round when there are enough colleagues."),
    label=lazy("A feedback round ended without enough answers"),
)
RELEASED = notices.Kind(
    "logbooks.feedback_released",
    lazy("Your multisource feedback can be read"),
    lazy("Compare it with your own view, and keep what you agreed on."),
    label=lazy("Your multisource feedback can be read"),
)

AT_ONCE = 50
"""Rounds of one round of the worker; the next goes on."""


# ---------------------------------------------------------------- begin, raters, open


def begin(enrolment: Enrolment, *, at: datetime, by: Actor) -> tuple[FeedbackRound, bool]:
    """Begin a round about a trainee, by themselves or by who runs it; second: whether it is new (one at a time)."""
    scope = queries.FeedbackScope(enrolment)
    own = policy.allows(by, Permission.FEEDBACK_ASK, scope)
    if not own:
        policy.require(by, Permission.FEEDBACK_RUN, scope, see=Permission.FEEDBACK_SEE)
    found = queries.under_way(enrolment.id)
    if found is not None:
        return found, False
    made = FeedbackRound(
        enrolment_id=enrolment.id,
        cohort_id=enrolment.cohort_id,
        trainee_person_id=enrolment.person_id,
        starter_person_id=by.person_id,
        starter_account_id=by.account_id,
        state=rules.PROPOSED,
        begun_on=clock.today(at),
        extended=False,
        reminded=False,
        invited=0,
    )
    made.enrolment, made.trainee = enrolment, enrolment.person
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:  # two clicks, or two people at once
        found = queries.under_way(enrolment.id)
        if found is None:
            raise
        return found, False
    _record(made, "begin", at=at, by=by, acted_as="trainee" if own else "")
    if own:
        for pairing in programmes.signers_on(enrolment.id, clock.today(at)):
            _tell(pairing.mentor_person_id, WANTED, made, at=at, url=f"/feedback/{made.public_id}")
    return made, True


def choose(found: FeedbackRound, chosen: Mapping[int, str], *, at: datetime, by: Actor) -> int:
    """Put people on the list of raters, each in a group; how many are new. The round is held ``for_update``.

    While it is open, who is added is asked at once; nobody is taken off then.
    """
    _require(found, "add" if found.state == rules.OPEN else "choose", by)
    there = {one.person_id: one for one in queries.raters(found)}
    known = {
        person_id
        for person_id in chosen
        if db.session.get(Person, person_id) is not None and accounts.accounts_of_person(person_id)
    }
    fresh = {person_id: group for person_id, group in chosen.items() if person_id not in there}
    rules.require_raters(
        chosen,
        trainee_person_id=found.trainee_person_id,
        readers=programmes.mentor_ids(found.enrolment_id),
        known=known,
        before=len(there) - len(set(there) & set(chosen)) + len(queries.guests(found)),
    )
    for person_id, group in chosen.items():
        if person_id in fresh:
            db.session.add(
                FeedbackRater(round_id=found.id, person_id=person_id, group_=group, state=rules.ASKED)
            )
        elif found.state == rules.PROPOSED:
            there[person_id].group_ = group
    db.session.flush()
    if found.state == rules.OPEN and fresh:
        found.invited += len(fresh)
        db.session.flush()
        for person_id in fresh:
            _ask(person_id, ASKED, found, at=at)
        _record(found, "add", at=at, by=by, raters=len(fresh))
    return len(fresh)


def take_off(found: FeedbackRound, person_id: int, *, by: Actor) -> None:
    """Take somebody off the list while the round is being prepared; twice is once. Held ``for_update``."""
    _require(found, "choose", by)
    db.session.execute(
        delete(FeedbackRater).where(FeedbackRater.round_id == found.id, FeedbackRater.person_id == person_id)
    )


def open_round(found: FeedbackRound, *, at: datetime, by: Actor) -> None:
    """Open the round: the raters are asked, the box is empty; twice is once. Held ``for_update``."""
    if found.state == rules.OPEN and rules.RUNNER in queries.hands_of(by, queries.scope_of(found)):
        return
    after = _require(found, "open", by)
    asked = queries.raters(found)
    invited = len(asked) + len(queries.guests(found))
    rules.require_opening(invited)
    readers = programmes.mentor_ids(found.enrolment_id)  # somebody may have become one since they were chosen
    if asked:
        rules.require_raters(
            {one.person_id: one.group_ for one in asked},
            trainee_person_id=found.trainee_person_id,
            readers=readers,
            known={one.person_id for one in asked},
        )
    key = new_box_key()
    db.session.add(
        FeedbackBox(
            round_id=found.id,
            key=base64.b64encode(seal(key, site.settings().keys_passphrase)).decode(),
            locked=_locked([], key),
        )
    )
    found.state, found.invited, found.opened_on = after, invited, clock.today(at)
    found.closes_on = rules.closes_on(clock.today(at))
    db.session.flush()
    _record(found, "open", at=at, by=by, raters=invited, closes_on=found.closes_on.isoformat())
    for one in asked:
        _ask(one.person_id, ASKED, found, at=at)


def extend(found: FeedbackRound, *, at: datetime, by: Actor) -> None:
    """Give the raters two more weeks, once. Held ``for_update``."""
    _require(found, "extend", by)
    rules.require_extension(extended=found.extended)
    assert found.closes_on is not None
    found.closes_on, found.extended, found.reminded = found.closes_on + rules.EXTENDS, True, False
    db.session.flush()
    _record(found, "extend", at=at, by=by, closes_on=found.closes_on.isoformat())


def remind(found: FeedbackRound, *, at: datetime, by: Actor) -> int:
    """Remind whoever has not answered, once a day; how many there are. Held ``for_update``."""
    _require(found, "remind", by)
    told = _remind(found, at=at)
    _record(found, "remind", at=at, by=by, raters=told)
    return told


def _remind(found: FeedbackRound, *, at: datetime) -> int:
    waiting = [one for one in queries.raters(found) if one.state == rules.ASKED]
    for one in waiting:
        _ask(one.person_id, REMINDED, found, at=at, day=clock.today(at).isoformat())
    return len(waiting)


# ---------------------------------------------------------------- the rater


def answer(
    found: FeedbackRound,
    mine: FeedbackRater,
    *,
    ratings: Mapping[str, int],
    well: str,
    better: str,
    at: datetime,
    by: Actor,
) -> bool:
    """Lay one's answer into the box; False where one has answered before (it cannot be found again). Held ``for_update``.

    No event, no time: whatever was written down here could lead from the rater to the answer.
    """
    _require_rater(found, mine, by)
    if mine.state == rules.ANSWERED:
        return False
    _lay_in(found, mine, ratings=ratings, well=well, better=better, at=at)
    return True


def _lay_in(
    found: FeedbackRound,
    mine: FeedbackRater | FeedbackGuest,
    *,
    ratings: Mapping[str, int],
    well: str,
    better: str,
    at: datetime,
) -> None:
    _require_day(found, at)
    well, better = plain(well), plain(better)
    rules.require_answer(ratings, well, better)
    deid.require_clean(well, field="well")
    deid.require_clean(better, field="better")
    box = queries.box(found)
    assert box is not None
    key, answers = _opened(box)
    answers.append(
        {"group": mine.group_, "ratings": dict(sorted(ratings.items())), "well": well, "better": better}
    )
    box.locked = _locked(answers, key)
    mine.state = rules.ANSWERED
    db.session.flush()


def cannot_say(found: FeedbackRound, mine: FeedbackRater, *, at: datetime, by: Actor) -> None:
    """Say that one does not know the trainee well enough; twice is once. Held ``for_update``."""
    _require_rater(found, mine, by)
    _decline(found, mine, at=at)


def _decline(found: FeedbackRound, mine: FeedbackRater | FeedbackGuest, *, at: datetime) -> None:
    if mine.state == rules.ANSWERED:
        raise RuleBroken("answered_already", _("You have answered already."))
    _require_day(found, at)
    mine.state = rules.DECLINED
    db.session.flush()


def _require_rater(found: FeedbackRound, mine: FeedbackRater, by: Actor) -> None:
    scope = queries.FeedbackScope(found.enrolment, rater_person_ids=frozenset({mine.person_id}))
    policy.require(by, Permission.FEEDBACK_RATE, scope)


def _require_day(found: FeedbackRound, at: datetime) -> None:
    if found.closes_on is None or clock.today(at) > found.closes_on:
        raise RuleBroken("round_over", _("The last day for an answer is over."))


def rate_self(found: FeedbackRound, *, ratings: Mapping[str, int], at: datetime, by: Actor) -> FeedbackSelf:
    """The trainee's own view, once, before they read the others'. Held ``for_update``."""
    policy.require(by, Permission.FEEDBACK_SELF, queries.scope_of(found), see=Permission.FEEDBACK_SEE)
    given = queries.own_view(found)
    if given is not None:
        return given
    if found.state not in rules.UNDER_WAY | {rules.CLOSED} or queries.release_of(found) is not None:
        raise RuleBroken("round_over", _("It is too late for your own view in this round."))
    rules.require_answer(ratings, "", "")
    made = FeedbackSelf(round_id=found.id, ratings=dict(sorted(ratings.items())), at=at)
    db.session.add(made)
    db.session.flush()
    _record(found, "self", at=at, by=by)
    return made


# ---------------------------------------------------------------- who has no account


def ask_guest(found: FeedbackRound, *, name: str, group: str, at: datetime, by: Actor) -> str:
    """Ask somebody without an account; the token of their link, which whoever runs the round hands on. Held ``for_update``.

    Only its digest is kept. The same name again is the same rater: they get a new link, and the earlier one is void. The
    trainee never makes a link: who holds it answers by it.
    """
    _require_running(found, by)
    name = " ".join(plain(name).split())
    there = {one.name: one for one in queries.guests(found)}
    mine = there.get(name)
    rules.require_guest(name, group, others=len(queries.raters(found)) + len(set(there) - {name}))
    if mine is not None and mine.state == rules.ANSWERED:
        raise RuleBroken("answered_already", _("This colleague has answered already."), field="name")
    token = ids.token()
    if mine is None:
        mine = FeedbackGuest(round_id=found.id, name=name, state=rules.ASKED)
        db.session.add(mine)
        found.invited += found.state == rules.OPEN
    mine.group_, mine.token_sha256 = group, sha256_hex(token.encode())
    db.session.flush()
    _record(found, "link", at=at, by=by)
    return token


def take_guest_off(found: FeedbackRound, name: str, *, by: Actor) -> None:
    """Take somebody without an account off the list while the round is being prepared; twice is once. Held ``for_update``."""
    _require_running(found, by)
    if found.state != rules.PROPOSED:
        rules.move(found.state, "choose")
    db.session.execute(
        delete(FeedbackGuest).where(FeedbackGuest.round_id == found.id, FeedbackGuest.name == name)
    )


def answer_by_link(
    found: FeedbackRound,
    mine: FeedbackGuest,
    *,
    ratings: Mapping[str, int],
    well: str,
    better: str,
    at: datetime,
) -> bool:
    """As ``answer``, for whoever holds the link: it is good for one answer. Held ``for_update``."""
    if mine.state == rules.ANSWERED:
        return False
    _require_open(found)
    _lay_in(found, mine, ratings=ratings, well=well, better=better, at=at)
    return True


def decline_by_link(found: FeedbackRound, mine: FeedbackGuest, *, at: datetime) -> None:
    """As ``cannot_say``, for whoever holds the link. Held ``for_update``."""
    _require_open(found)
    _decline(found, mine, at=at)


def _require_open(found: FeedbackRound) -> None:
    if found.state != rules.OPEN:
        raise RuleBroken("round_state", _("This round is not open yet."))


def _require_running(found: FeedbackRound, by: Actor) -> None:
    policy.require(by, Permission.FEEDBACK_RUN, queries.scope_of(found), see=Permission.FEEDBACK_SEE)
    if found.state not in rules.UNDER_WAY:
        raise RuleBroken("round_over", _("This round has ended."))


# ---------------------------------------------------------------- the end


def close(found: FeedbackRound, *, at: datetime, by: Actor) -> None:
    """Close a round in which enough have answered; twice is once. Held ``for_update``."""
    if found.state == rules.CLOSED and rules.RUNNER in queries.hands_of(by, queries.scope_of(found)):
        return
    _require(found, "close", by)
    rules.require_enough(queries.answered_count(found))
    _close(found, at=at, by=by)


def _close(found: FeedbackRound, *, at: datetime, by: Actor | None) -> None:
    """Sum what lies in the box, then delete the box with its key, the list of raters and the notices to them."""
    after = rules.move(found.state, "close")
    box = queries.box(found)
    assert box is not None
    _key, answers = _opened(box)
    rules.require_enough(len(answers))
    dice = secrets.SystemRandom()
    words: dict[str, list[str]] = {}
    for name in ("well", "better"):
        words[name] = [str(one[name]) for one in answers if one[name]]
        dice.shuffle(words[name])
    summed = rules.summed((one["group"], one["ratings"]) for one in answers)
    kept = {"summed": summed, **words}
    result = FeedbackResult(round_id=found.id, **kept, sha256=digest_of(kept))
    db.session.add(result)
    _ended(found, after, at=at)
    _record(found, "close", at=at, by=by, answers=len(answers), result=result.sha256)
    for person_id in _mentors(found, at):
        _tell(person_id, CLOSED, found, at=at, url=f"/feedback/{found.public_id}")


def cancel(found: FeedbackRound, *, at: datetime, by: Actor) -> None:
    """Take a round back; what was answered is deleted unread. Twice is once. Held ``for_update``."""
    hands = queries.hands_of(by, queries.scope_of(found))
    if found.state == rules.CANCELLED and hands:
        return
    act = "drop" if found.state == rules.PROPOSED else "cancel"
    after = _require(found, act, by)
    _ended(found, after, at=at)
    _record(found, "cancel", at=at, by=by)


def _ended(found: FeedbackRound, after: str, *, at: datetime) -> None:
    db.session.flush()
    db.session.execute(delete(FeedbackBox).where(FeedbackBox.round_id == found.id))
    db.session.execute(delete(FeedbackRater).where(FeedbackRater.round_id == found.id))
    db.session.execute(delete(FeedbackGuest).where(FeedbackGuest.round_id == found.id))
    retractions.forget(f"{_matter(found)}rater:")
    found.state, found.ended_on = after, clock.today(at)
    db.session.flush()


def release(found: FeedbackRound, *, words: str, at: datetime, by: Actor) -> FeedbackRelease:
    """After the talk the mentor lets the trainee read the result, with what both agreed on; twice is once. Held ``for_update``."""
    policy.require(by, Permission.FEEDBACK_RELEASE, queries.scope_of(found), see=Permission.FEEDBACK_SEE)
    given = queries.release_of(found)
    if given is not None:
        return given
    if found.state != rules.CLOSED:
        raise RuleBroken("round_state", _("There is no result that could be released."))
    words = plain(words)
    if not words:
        raise RuleBroken("words_missing", _("One sentence is needed here."), field="words")
    if len(words) > WORDS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=WORDS_MAX), field="words")
    deid.require_clean(words, field="words")
    return _release(found, words, at=at, by=by)


def _release(found: FeedbackRound, words: str, *, at: datetime, by: Actor | None) -> FeedbackRelease:
    made = FeedbackRelease(
        round_id=found.id,
        words=words,
        person_id=by.person_id if by else None,
        account_id=by.account_id if by else None,
        at=at,
    )
    db.session.add(made)
    db.session.flush()
    _record(found, "release", at=at, by=by)
    _tell(found.trainee_person_id, RELEASED, found, at=at, url=f"/feedback/{found.public_id}")
    return made


# ---------------------------------------------------------------- the clock


def watch(at: datetime) -> None:
    """The worker's chore: remind before the last day, close or let lapse after it, release what no mentor released."""
    today = clock.today(at)
    for found in queries.due_to_end(today, limit=AT_ONCE):
        if rules.is_enough(queries.answered_count(found)):
            _close(found, at=at, by=None)
            continue
        after = rules.move(found.state, "lapse")
        answers = queries.answered_count(found)
        _ended(found, after, at=at)
        _record(found, "lapse", at=at, by=None, answers=answers)
        for person_id in {found.trainee_person_id, found.starter_person_id, *_mentors(found, at)}:
            _tell(person_id, LAPSED, found, at=at, url=f"/feedback/{found.public_id}")
    for found in queries.due_to_remind(today, limit=AT_ONCE):
        found.reminded = True
        told = _remind(found, at=at)
        db.session.flush()
        _record(found, "remind", at=at, by=None, raters=told)
    for found in queries.due_to_release(today, limit=AT_ONCE):
        _release(found, "", at=at, by=None)


# ---------------------------------------------------------------- the box


def _opened(box: FeedbackBox) -> tuple[bytes, list[dict[str, Any]]]:
    key = unseal(base64.b64decode(box.key), site.settings().keys_passphrase)
    answers: list[dict[str, Any]] = json.loads(open_box(base64.b64decode(box.locked), key=key))
    return key, answers


def _locked(answers: list[dict[str, Any]], key: bytes) -> str:
    """The answers in the order of their content, so that their places tell nothing of when they came."""
    ordered = sorted(answers, key=canonical_json)
    size = rules.RATERS_MAX * rules.ANSWER_BYTES
    return base64.b64encode(lock_box(canonical_json(ordered), key=key, size=size)).decode()


# ---------------------------------------------------------------- beside each act


def _require(found: FeedbackRound, act: str, by: Actor) -> str:
    """The state after an act that the actor's hands may do. NotFound for strangers, NotAllowed for who may only look."""
    scope = queries.scope_of(found)
    hands = rules.MOVES[act].hands
    if rules.TRAINEE in hands and policy.allows(by, Permission.FEEDBACK_ASK, scope):
        return rules.move(found.state, act)
    policy.require(by, Permission.FEEDBACK_RUN, scope, see=Permission.FEEDBACK_SEE)
    return rules.move(found.state, act)


def _mentors(found: FeedbackRound, at: datetime) -> set[int]:
    """Who talks the result over with the trainee: paired today, or once paired where nobody is today."""
    today = {one.mentor_person_id for one in programmes.signers_on(found.enrolment_id, clock.today(at))}
    return today or programmes.mentor_ids(found.enrolment_id)


def _record(
    found: FeedbackRound, act: str, *, at: datetime, by: Actor | None, acted_as: str = "", **detail: object
) -> None:
    audit.record(
        f"logbooks.feedback.{act}",
        scope=chain_of(found.enrolment_id),
        at=at,
        account_id=by.account_id if by else None,
        acted_as=acted_as,
        subject=f"feedback:{found.public_id}",
        **detail,
    )


def _matter(found: FeedbackRound) -> str:
    return f"feedback:{found.public_id}:"


def _tell(person_id: int, kind: notices.Kind, found: FeedbackRound, *, at: datetime, url: str) -> None:
    for account in accounts.accounts_of_person(person_id):
        notices.notify(
            account.id,
            kind,
            values={"trainee": found.trainee.name},
            url=url,
            at=at,
            once=f"{_matter(found)}{kind.code.rpartition('_')[2]}",
        )


def _ask(
    person_id: int, kind: notices.Kind, found: FeedbackRound, *, at: datetime, day: str = "first"
) -> None:
    """A notice to a rater; all of them are forgotten at the end of the round."""
    assert found.closes_on is not None
    for account in accounts.accounts_of_person(person_id):
        notices.notify(
            account.id,
            kind,
            values={"trainee": found.trainee.name, "day": found.closes_on.isoformat()},
            url=f"/feedback/{found.public_id}/answer",
            at=at,
            once=f"{_matter(found)}rater:{day}",
        )
