"""Acts on assessments in the workplace: ask, begin, assess and sign, decline, take back, answer, make void."""

import re
from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.core import audit, clock, deid, ids, notices
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.logbooks.models import Item
from lms.logbooks.models.workplace import (
    WorkplaceAct,
    WorkplaceAssessment,
    WorkplaceRecord,
    WorkplaceResponse,
)
from lms.logbooks.queries import chain_of
from lms.logbooks.queries import workplace as queries
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import workplace as rules
from lms.logbooks.services.keys import key_of, signed_with
from lms.logbooks.services.record import plain
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment

ASKED = notices.Kind(
    "logbooks.workplace_asked",
    lazy("%(trainee)s asks you for an assessment: %(item)s"),
    lazy("It happened on %(day)s. The form takes two minutes; after fourteen days the request lapses."),
    label=lazy("A trainee asks you for an assessment"),
    by_webhook=True,
    for_staff=True,
)
ASSESSED = notices.Kind(
    "logbooks.workplace_assessed",
    lazy("%(assessor)s assessed you: %(item)s"),
    lazy("Read it, and write what you make of it."),
    label=lazy("Somebody assessed you in the workplace"),
)
DECLINED = notices.Kind(
    "logbooks.workplace_declined",
    lazy("%(assessor)s cannot assess: %(item)s"),
    lazy("Open the request to read why, and ask somebody else who was there."),
    label=lazy("Somebody cannot assess you"),
)
VOIDED = notices.Kind(
    "logbooks.workplace_voided",
    lazy("An assessment was made void: %(item)s"),
    lazy("It stays visible with the reason and no longer counts."),
    label=lazy("An assessment in the workplace was made void"),
)
REMINDED = notices.Kind(
    "logbooks.workplace_waits",
    lazy("%(trainee)s still waits for your assessment: %(item)s"),
    lazy("It happened on %(day)s. Assess it while you remember it, or decline it."),
    label=lazy("An assessment waits for you"),
    by_webhook=True,
    for_staff=True,
)
LAPSED = notices.Kind(
    "logbooks.workplace_lapsed",
    lazy("The request for an assessment lapsed: %(item)s"),
    lazy("Nobody answered for fourteen days. Ask again after the next occasion."),
    label=lazy("A request for an assessment lapsed"),
)

AT_ONCE = 200
"""Requests of one round of the worker; the next round goes on."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_ACTED_AS = {"primary": "mentor", "second": "second", "deputy": "deputy"}


# ---------------------------------------------------------------- ask, begin


def ask(
    enrolment: Enrolment,
    *,
    kind: str,
    item: Item,
    assessor_person_id: int,
    happened_on: date,
    setting: str,
    age_band: str,
    focus: str,
    client_uuid: str,
    at: datetime,
    by: Actor,
) -> tuple[WorkplaceAssessment, bool]:
    """The trainee asks for an assessment of one event; second: whether it is new (the same client id makes it once)."""
    policy.require(by, Permission.WORKPLACE_ASK, queries.AssessmentScope(enrolment))
    asked, new = _made(
        enrolment,
        kind=kind,
        item=item,
        assessor_person_id=assessor_person_id,
        happened_on=happened_on,
        setting=setting,
        age_band=age_band,
        focus=focus,
        client_uuid=client_uuid,
        at=at,
        by=by,
    )
    if new:
        _record(asked, "ask", at=at, by=by, kind=kind)
        _tell(asked.assessor_person_id, ASKED, asked, at=at)
    return asked, new


def start(
    enrolment: Enrolment,
    *,
    kind: str,
    item: Item,
    happened_on: date,
    setting: str,
    age_band: str,
    client_uuid: str,
    at: datetime,
    by: Actor,
) -> tuple[WorkplaceAssessment, bool]:
    """The assessor begins an assessment of a trainee they are paired with; second: whether it is new."""
    policy.require(by, Permission.WORKPLACE_START, queries.AssessmentScope(enrolment))
    begun, new = _made(
        enrolment,
        kind=kind,
        item=item,
        assessor_person_id=by.person_id,
        happened_on=happened_on,
        setting=setting,
        age_band=age_band,
        focus="",
        client_uuid=client_uuid,
        at=at,
        by=by,
    )
    if new:
        _record(begun, "start", at=at, by=by, kind=kind)
    return begun, new


def _made(
    enrolment: Enrolment,
    *,
    kind: str,
    item: Item,
    assessor_person_id: int,
    happened_on: date,
    setting: str,
    age_band: str,
    focus: str,
    client_uuid: str,
    at: datetime,
    by: Actor,
) -> tuple[WorkplaceAssessment, bool]:
    if not _CLIENT_ID.fullmatch(client_uuid):
        client_uuid = ids.token()
    found = queries.assessment_of_client(by.person_id, client_uuid)
    if found is not None:
        return found, False
    focus = plain(focus)
    rules.require_request(kind, setting, age_band, focus)
    deid.require_clean(focus, field="focus")
    rules.require_day(happened_on, today=clock.today(at))
    valid = {person.id for person in queries.assessors_of(enrolment, on=happened_on)}
    rules.require_assessor(enrolment.person_id, assessor_person_id, valid)
    made = WorkplaceAssessment(
        public_id=ids.public_id(),
        enrolment_id=enrolment.id,
        cohort_id=enrolment.cohort_id,
        trainee_person_id=enrolment.person_id,
        assessor_person_id=assessor_person_id,
        starter_person_id=by.person_id,
        starter_account_id=by.account_id,
        client_uuid=client_uuid,
        kind=kind,
        item_id=item.id,
        happened_on=happened_on,
        setting=setting,
        age_band=age_band,
        focus=focus,
        state=rules.REQUESTED,
        asked_at=at,
        reminded=0,
    )
    made.enrolment, made.item = enrolment, item
    made.trainee = db.session.get_one(Person, enrolment.person_id)
    made.assessor = db.session.get_one(Person, assessor_person_id)
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:
        # Two deliveries at the same moment: the other one has just been committed.
        found = queries.assessment_of_client(by.person_id, client_uuid)
        if found is None:
            raise
        return found, False
    return made, True


# ---------------------------------------------------------------- the assessor


def assess(
    assessment: WorkplaceAssessment, form: rules.Filled, *, at: datetime, by: Actor
) -> WorkplaceRecord:
    """Fill in the form and sign it; twice is once. The assessment is held ``for_update``.

    Needs a confirmation of the last five minutes (raises NeedsConfirmation).
    """
    _require(by, Permission.WORKPLACE_ASSESS, assessment)
    if assessment.state in rules.COUNTED and assessment.record is not None:
        return assessment.record
    after = rules.move(assessment.state, "submit")
    form = form.cleaned(plain)
    rules.require_assessor(assessment.trainee_person_id, by.person_id, {by.person_id})
    rules.require_form(
        assessment.kind,
        form.ratings,
        form.level,
        strength=form.strength,
        improvement=form.improvement,
        plan=form.plan,
    )
    for field in ("strength", "improvement", "plan"):
        deid.require_clean(getattr(form, field), field=field)
    method = accounts.confirmation(by, at=at)
    payload = queries.payload_of(assessment, form)
    key = key_of(by, at=at)
    row = WorkplaceRecord(
        public_id=ids.public_id(),
        assessment_id=assessment.id,
        trainee_person_id=assessment.trainee_person_id,
        assessor_person_id=by.person_id,
        assessor_account_id=by.account_id,
        acted_as=_acted_as(assessment, by),
        level=form.level,
        payload=payload,
        payload_sha256=digest_of(payload),
        method=method,
        signed_at=at,
    )
    row.key, row.assessor = key, assessment.assessor
    said = queries.said(row)
    row.statement_sha256 = digest_of(said)
    row.signature = signed_with(key, said)
    db.session.add(row)
    db.session.flush()  # the trigger lets the assessment on only when its signed form is there
    assessment.record, assessment.state = row, after
    db.session.flush()
    _record(
        assessment,
        "submit",
        at=at,
        by=by,
        acted_as=row.acted_as,
        level=row.level,
        method=method,
        key=key.public_id,
        payload=row.payload_sha256,
        statement=row.statement_sha256,
    )
    _tell(assessment.trainee_person_id, ASSESSED, assessment, at=at)
    return row


def _acted_as(assessment: WorkplaceAssessment, by: Actor) -> str:
    """By which pairing of the day the actor assesses; whoever is paired with somebody else is a colleague."""
    pairings = programmes.signers_on(assessment.enrolment_id, assessment.happened_on)
    return next(
        (_ACTED_AS[pairing.kind] for pairing in pairings if pairing.mentor_person_id == by.person_id),
        "colleague",
    )


def decline(
    assessment: WorkplaceAssessment, *, reason: str, words: str, at: datetime, by: Actor
) -> WorkplaceAct:
    """The assessor refuses with a reason; twice is once. The assessment is held ``for_update``."""
    _require(by, Permission.WORKPLACE_ASSESS, assessment)
    done = _done(assessment, "decline")
    if done is not None:
        return done
    rules.move(assessment.state, "decline")
    rules.require_decline(reason)
    act = _ended(assessment, "decline", reason=reason, words=words, at=at, by=by)
    _tell(assessment.trainee_person_id, DECLINED, assessment, at=at)
    return act


# ---------------------------------------------------------------- the trainee, the director


def cancel(assessment: WorkplaceAssessment, *, at: datetime, by: Actor) -> WorkplaceAct:
    """The trainee takes a request back while nobody has answered; twice is once. Held ``for_update``."""
    _require(by, Permission.WORKPLACE_ASK, assessment)
    done = _done(assessment, "cancel")
    if done is not None:
        return done
    rules.move(assessment.state, "cancel")
    return _ended(assessment, "cancel", reason="", words="", at=at, by=by)


def respond(assessment: WorkplaceAssessment, *, words: str, at: datetime, by: Actor) -> WorkplaceResponse:
    """The trainee says what they make of it, once. The assessment is held ``for_update``."""
    _require(by, Permission.WORKPLACE_RESPOND, assessment)
    if assessment.state == rules.RESPONDED and assessment.response is not None:
        return assessment.response
    after = rules.move(assessment.state, "respond")
    words = plain(words)
    if not words:
        raise RuleBroken("words_missing", _("One sentence is needed here."), field="words")
    rules.require_short(words, "words")
    deid.require_clean(words, field="words")
    row = WorkplaceResponse(
        assessment_id=assessment.id, words=words, person_id=by.person_id, account_id=by.account_id, at=at
    )
    db.session.add(row)
    db.session.flush()
    assessment.response, assessment.state = row, after
    db.session.flush()
    _record(assessment, "respond", at=at, by=by)
    return row


def void(
    assessment: WorkplaceAssessment, *, reason: str, words: str, at: datetime, by: Actor
) -> WorkplaceAct:
    """The director makes a signed assessment void; it stays visible and counts no more. Held ``for_update``."""
    _require(by, Permission.WORKPLACE_VOID, assessment)
    done = _done(assessment, "void")
    if done is not None:
        return done
    rules.move(assessment.state, "void")
    if reason not in rules.VOID_REASONS:
        raise RuleBroken("reason_missing", _("Choose a reason."), field="reason")
    if not plain(words):
        raise RuleBroken("words_missing", _("Write the reason."), field="words")
    act = _ended(assessment, "void", reason=reason, words=words, at=at, by=by)
    for person_id in (assessment.trainee_person_id, assessment.assessor_person_id):
        _tell(person_id, VOIDED, assessment, at=at)
    return act


# ---------------------------------------------------------------- the clock


def remind(at: datetime) -> None:
    """The worker's chore: on day 3 and 7 remind whoever was asked; after fourteen days the request lapses."""
    for waiting in queries.waiting_since(
        at - rules.LAPSES_AFTER, stage=len(rules.REMINDS_AFTER) + 1, limit=AT_ONCE
    ):
        rules.move(waiting.state, "lapse")
        _ended(waiting, "lapse", reason="", words="", at=at, by=None)
        _tell(waiting.trainee_person_id, LAPSED, waiting, at=at)
    for number, limit in enumerate(rules.REMINDS_AFTER, start=1):
        for waiting in queries.waiting_since(at - limit, stage=number, limit=AT_ONCE):
            rules.move(waiting.state, "remind")
            waiting.reminded = rules.stage_of(at - waiting.asked_at)
            db.session.flush()
            _record(waiting, "remind", at=at, by=None, stage=waiting.reminded)
            _tell(waiting.assessor_person_id, REMINDED, waiting, at=at, what=f"waits{waiting.reminded}")


# ---------------------------------------------------------------- beside each act


def _require(by: Actor, permission: Permission, assessment: WorkplaceAssessment) -> None:
    policy.require(by, permission, queries.scope_of(assessment), see=Permission.WORKPLACE_READ)


def _done(assessment: WorkplaceAssessment, act: str) -> WorkplaceAct | None:
    """What the first of two clicks has made."""
    if assessment.state != rules.MOVES[act].after:
        return None
    return queries.act_of(assessment, act)


def _ended(
    assessment: WorkplaceAssessment, act: str, *, reason: str, words: str, at: datetime, by: Actor | None
) -> WorkplaceAct:
    """The act that ends an assessment, appended with its reason; then the new state, which its trigger lets through."""
    words = plain(words)
    if len(words) > WORDS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=WORDS_MAX), field="words")
    deid.require_clean(words, field="words")
    row = WorkplaceAct(
        assessment_id=assessment.id,
        act=act,
        reason=reason,
        words=words,
        person_id=by.person_id if by else None,
        account_id=by.account_id if by else None,
        at=at,
    )
    db.session.add(row)
    db.session.flush()
    assessment.state = rules.MOVES[act].after
    db.session.flush()
    _record(assessment, act, at=at, by=by, reason=reason)
    return row


def _record(
    assessment: WorkplaceAssessment,
    act: str,
    *,
    at: datetime,
    by: Actor | None,
    acted_as: str = "",
    **detail: object,
) -> None:
    audit.record(
        f"logbooks.workplace.{act}",
        scope=chain_of(assessment.enrolment_id),
        at=at,
        account_id=by.account_id if by else None,
        acted_as=acted_as,
        subject=f"workplace:{assessment.public_id}",
        **detail,
    )


def _tell(
    person_id: int, kind: notices.Kind, assessment: WorkplaceAssessment, *, at: datetime, what: str = ""
) -> None:
    """A notice to every account of a person, the item named in the account's language."""
    values: Mapping[str, object] = {
        "trainee": assessment.trainee.name,
        "assessor": assessment.assessor.name,
        "day": assessment.happened_on.isoformat(),
    }
    for account in accounts.accounts_of_person(person_id):
        title = assessment.item.title_en if account.locale == "en" else assessment.item.title_zh
        notices.notify(
            account.id,
            kind,
            values={**values, "item": title},
            url=f"/workplace/{assessment.public_id}",
            at=at,
            once=f"workplace:{assessment.public_id}:{what or assessment.state}",
        )
