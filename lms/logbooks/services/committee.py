"""Acts of the competence committee: call, open, vote, close; appeal and answer; take an entrustment back."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.core import audit, clock, deid, digests, notices
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.core.ports import FactChanged, fact_changed
from lms.logbooks.models import Item
from lms.logbooks.models.committee import (
    Agenda,
    AppealAnswer,
    Decision,
    DecisionAppeal,
    Entrustment,
    EntrustmentRevocation,
    FrozenEvidence,
    Meeting,
    Member,
    Vote,
)
from lms.logbooks.queries import choices
from lms.logbooks.queries import committee as queries
from lms.logbooks.queries.committee import Called, Decided, Entrusted, Line, LineScope
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import committee as rules
from lms.logbooks.services.record import plain
from lms.policy import Actor, Permission, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment

CALLED = notices.Kind(
    "logbooks.committee_called",
    lazy("The competence committee meets on %(day)s"),
    lazy("You sit in it. Open the meeting to read the agenda."),
    label=lazy("You are called to a meeting of the competence committee"),
    for_staff=True,
)
DECIDED = notices.Kind(
    "logbooks.committee_decided",
    lazy("The competence committee has decided about you"),
    lazy("Open the page to read each decision with its reason."),
    label=lazy("The competence committee has decided about you"),
)
APPEALED = notices.Kind(
    "logbooks.decision_appealed",
    lazy("A decision of the competence committee is appealed against"),
    lazy("Whoever did not sit in that meeting answers."),
    label=lazy("A decision of the competence committee is appealed against"),
    for_staff=True,
)
ANSWERED = notices.Kind(
    "logbooks.decision_appeal_answered",
    lazy("Your appeal against a decision of the competence committee is answered"),
    label=lazy("Your appeal against a decision of the competence committee is answered"),
)
REVOKED = notices.Kind(
    "logbooks.entrustment_revoked",
    lazy("An entrustment of %(trainee)s is revoked: %(item)s"),
    lazy("From now on this is done under direct supervision only."),
    label=lazy("An entrustment is revoked"),
    by_webhook=True,
)


def _words(words: str, field: str = "words", *, needed: bool = False) -> str:
    """Typed words, short enough and free of what tells who a patient is."""
    words = plain(words)
    if needed and not words:
        raise RuleBroken("reason_missing", _("Write the reason."), field=field)
    if len(words) > WORDS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=WORDS_MAX), field=field)
    deid.require_clean(words, field=field)
    return words


def _note(called: Called, act: str, *, at: datetime, by: Actor, **detail: object) -> None:
    _note_of(called.meeting, called.meeting.cohort, act, at=at, by=by, **detail)


def _note_of(
    meeting: Meeting, cohort: Cohort, act: str, *, at: datetime, by: Actor, **detail: object
) -> None:
    audit.record(
        f"logbooks.committee.{act}",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=by.account_id,
        acted_as="",
        subject=f"meeting:{meeting.public_id}",
        **detail,
    )


def _tell(
    person_ids: Iterable[int], kind: notices.Kind, url: str, *, once: str, at: datetime, **values: object
) -> None:
    for person_id in sorted(set(person_ids)):
        for account in accounts.accounts_of_person(person_id):
            notices.notify(account.id, kind, values=values, url=url, at=at, once=once)


# ---------------------------------------------------------------- the meeting


def convene(
    cohort: Cohort,
    *,
    held_on: date,
    chair: Person,
    others: Collection[Person],
    client_uuid: str,
    at: datetime,
    by: Actor,
) -> Meeting:
    """Call a meeting; two clicks call one. Raises RuleBroken ("meeting_past", "chair_role", "member_role", "members_few")."""
    policy.require(by, Permission.COMMITTEE_CONVENE, cohort)
    if again := queries.meeting_of_client(client_uuid, cohort):
        return again
    today = clock.today(at)
    if held_on < today:
        raise RuleBroken("meeting_past", _("Choose today or a later day."), field="held_on")
    chairs, known = queries.sitting_persons(cohort, on=today)
    if chair.id not in {one.id for one in chairs}:
        raise RuleBroken("chair_role", _("Choose who holds the role of the chair."), field="chair")
    if {one.id for one in others} - {one.id for one in known}:
        raise RuleBroken("member_role", _("Choose among the members of the committee."), field="members")
    others = [one for one in others if one.id != chair.id]
    rules.require_members(chair.id, [one.id for one in others], quorum=rules.QUORUM)
    made = Meeting(
        cohort_id=cohort.id,
        held_on=held_on,
        state=rules.SCHEDULED,
        quorum=rules.QUORUM,
        convened_by_id=by.person_id,
        client_uuid=client_uuid,
        made_at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:  # the other click was faster
        again = queries.meeting_of_client(client_uuid, cohort)
        if again is None:
            raise
        return again
    db.session.add(Member(meeting_id=made.id, person_id=chair.id, part="chair"))
    db.session.add_all(Member(meeting_id=made.id, person_id=one.id, part="member") for one in others)
    db.session.flush()
    _note_of(made, cohort, "convene", at=at, by=by, held_on=held_on.isoformat(), members=len(others) + 1)
    _tell(
        [chair.id, *(one.id for one in others)],
        CALLED,
        f"/committee/{made.public_id}",
        once=f"meeting:{made.public_id}",
        at=at,
        day=held_on.isoformat(),
    )
    return made


def _require_convener(called: Called, by: Actor) -> None:
    policy.require(by, Permission.COMMITTEE_CONVENE, called.scope, see=Permission.COMMITTEE_READ)


def add_lines(
    called: Called, enrolment: Enrolment, codes: Collection[str], *, at: datetime, by: Actor
) -> int:
    """Put items of a trainee on the agenda; what is there already stays once. How many are new."""
    _require_convener(called, by)
    rules.move(called.meeting.state, "open")  # the agenda grows until the meeting is opened
    chosen = [item for item in choices.items(called.meeting.cohort_id) if item.code in codes]
    if not chosen or enrolment.cohort_id != called.meeting.cohort_id:
        raise RuleBroken("items_missing", _("Choose at least one item."), field="items")
    there = set(
        db.session.scalars(
            select(Item.code)
            .join(Agenda, Agenda.item_id == Item.id)
            .where(Agenda.meeting_id == called.meeting.id, Agenda.enrolment_id == enrolment.id)
        )
    )
    new = [item for item in chosen if item.code not in there]
    db.session.add_all(
        Agenda(meeting_id=called.meeting.id, enrolment_id=enrolment.id, item_id=item.id) for item in new
    )
    db.session.flush()
    if new:
        items = sorted(item.code for item in new)
        _note(called, "agenda", at=at, by=by, trainee=enrolment.public_id, items=items)
    return len(new)


def open_meeting(called: Called, *, at: datetime, by: Actor) -> None:
    """Open a meeting (held for update): the evidence for each line is frozen. Twice is once."""
    _require_convener(called, by)
    if called.meeting.state == rules.IN_SESSION:
        return
    after = rules.move(called.meeting.state, "open")
    agenda = queries.lines(called)
    if not agenda:
        raise RuleBroken("agenda_empty", _("Put something on the agenda first."))
    for trainee in {line.agenda.enrolment_id: line.agenda.enrolment for line in agenda}.values():
        mine = [line.agenda for line in agenda if line.agenda.enrolment_id == trainee.id]
        documents = queries.evidence_now(trainee, {one.item.code for one in mine}, today=clock.today(at))
        for one in mine:
            document = documents[one.item.code]
            db.session.add(
                FrozenEvidence(agenda_id=one.id, document=document, sha256=digests.digest_of(document), at=at)
            )
    called.meeting.state = after
    db.session.flush()
    _note(called, "open", at=at, by=by, lines=len(agenda))


def cancel_meeting(called: Called, *, at: datetime, by: Actor) -> None:
    """Cancel a meeting (held for update); nothing is decided. Twice is once."""
    _require_convener(called, by)
    if called.meeting.state == rules.CANCELLED:
        return
    called.meeting.state = rules.move(called.meeting.state, "cancel")
    db.session.flush()
    _note(called, "cancel", at=at, by=by)


def vote(
    called: Called, line: Line, *, choice: str, level: int | None, words: str, at: datetime, by: Actor
) -> Vote:
    """Vote on one line (the meeting held for update); a later vote replaces the earlier, the same vote twice is one."""
    policy.require(
        by, Permission.COMMITTEE_VOTE, queries.line_scope(called, line), see=Permission.COMMITTEE_READ
    )
    rules.move(called.meeting.state, "vote")
    level = level if choice == "approve" else None
    words = _words(words)
    rules.require_ballot(choice, level, words)
    before = line.votes.get(by.person_id)
    if before is not None and (before.choice, before.level, before.words) == (choice, level, words):
        return before
    made = Vote(
        agenda_id=line.agenda.id,
        person_id=by.person_id,
        account_id=by.account_id,
        number=before.number + 1 if before else 1,
        choice=choice,
        level=level,
        words=words,
        at=at,
    )
    db.session.add(made)
    db.session.flush()
    _note(called, "vote", at=at, by=by, line=line.agenda.public_id, choice=choice, level=level)
    return made


def close_meeting(called: Called, words: Mapping[str, str], *, at: datetime, by: Actor) -> None:
    """Close a meeting (held for update): each line is decided or deferred, and the entrustments are recorded, all at once.

    ``words``: the chair's, by public id of the line. Closing twice is closing once.
    Raises RuleBroken ("reason_missing") at the line that still needs the chair's words.
    """
    policy.require(by, Permission.COMMITTEE_CLOSE, called.scope, see=Permission.COMMITTEE_READ)
    if called.meeting.state == rules.RATIFIED:
        return
    after = rules.move(called.meeting.state, "close")
    agenda = queries.lines(called)
    numbers = queries.numbers_given({line.agenda.enrolment_id for line in agenda})
    made: list[Decision] = []
    for line in agenda:
        decision = _decide(called, line, words.get(line.agenda.public_id, ""), at=at, by=by)
        db.session.add(decision)
        db.session.flush()
        if decision.level is not None:
            code, today = line.agenda.item.code, clock.today(at)
            db.session.add(
                Entrustment(
                    enrolment_id=decision.enrolment_id,
                    item_code=code,
                    number=numbers.get((decision.enrolment_id, code), 0) + 1,
                    level=decision.level,
                    from_on=today,
                    expires_on=rules.expires_on(today, critical=line.agenda.item.critical),
                    decision_id=decision.id,
                )
            )
        made.append(decision)
    called.meeting.state = after
    db.session.flush()
    for number in sorted({one.enrolment_id for one in made if one.level is not None}):
        fact_changed.tell(FactChanged("items_approved", number, at))
    approved = sum(one.outcome == "approved" for one in made)
    _note(called, "close", at=at, by=by, approved=approved, deferred=len(made) - approved)
    for trainee in {line.agenda.enrolment_id: line.agenda.enrolment for line in agenda}.values():
        _tell(
            [trainee.person_id],
            DECIDED,
            f"/trainees/{trainee.public_id}/entrustments",
            once=f"decided:{called.meeting.public_id}",
            at=at,
        )


def _decide(called: Called, line: Line, words: str, *, at: datetime, by: Actor) -> Decision:
    assert line.evidence is not None
    field = f"words-{line.agenda.public_id}"
    words = _words(words, field)
    result = rules.outcome(line.ballots, quorum=called.meeting.quorum)
    rules.require_chair_words(
        approved=result.level is not None, achieved=line.achieved, words=words, field=field
    )
    cast = [one.choice for one in line.ballots]
    return Decision(
        agenda_id=line.agenda.id,
        enrolment_id=line.agenda.enrolment_id,
        item_id=line.agenda.item_id,
        outcome="deferred" if result.level is None else "approved",
        level=result.level,
        words=words,
        votes={choice: cast.count(choice) for choice in ("approve", "defer", "abstain")},
        evidence_sha256=line.evidence.sha256,
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )


# ---------------------------------------------------------------- appeals


def appeal(found: Decided, scope: LineScope, *, words: str, at: datetime, by: Actor) -> DecisionAppeal:
    """The trainee objects to a decision; a decision is appealed against once. Raises RuleBroken ("appeal_late", …)."""
    policy.require(by, Permission.DECISION_APPEAL, scope, see=Permission.ENTRUSTMENT_READ)
    if found.appeal is not None:
        return found.appeal
    rules.require_in_time(clock.today(found.decision.at), today=clock.today(at))
    made = DecisionAppeal(
        decision_id=found.decision.id,
        words=_words(words, needed=True),
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:  # the other click was faster
        return db.session.scalars(
            select(DecisionAppeal).where(DecisionAppeal.decision_id == found.decision.id)
        ).one()
    _record("decision.appeal", found.decision, at=at, by=by)
    _tell(
        _answerers(scope, on=clock.today(at)),
        APPEALED,
        f"/committee/decisions/{found.decision.public_id}",
        once=f"appeal:{made.public_id}",
        at=at,
    )
    return made


def _answerers(scope: LineScope, *, on: date) -> set[int]:
    scopes = (f"cohort:{scope.cohort_id}", f"programme:{scope.programme_id}")
    people = [
        *accounts.persons_with_role(Role.DIRECTOR, *scopes, on=on),
        *accounts.persons_with_role(Role.COMMITTEE_CHAIR, *scopes, on=on),
    ]
    return {one.id for one in people} - scope.member_person_ids - scope.mentor_person_ids


def answer(found: Decided, scope: LineScope, *, outcome: str, words: str, at: datetime, by: Actor) -> None:
    """Somebody who did not decide answers an appeal; the same answer twice is one. Raises RuleBroken ("answered_already")."""
    policy.require(by, Permission.DECISION_ANSWER, scope, see=Permission.ENTRUSTMENT_READ)
    if found.appeal is None:
        raise RuleBroken("appeal_missing", _("Nobody has appealed against this decision."))
    if outcome not in {"upheld", "remitted"}:
        raise RuleBroken("outcome", _("Choose an answer."), field="outcome")
    words = _words(words, needed=True)
    if not _answered(found, outcome, words, at=at, by=by):
        return
    _record("decision.answer", found.decision, at=at, by=by, outcome=outcome)
    _tell(
        [scope.trainee_person_id],
        ANSWERED,
        f"/committee/decisions/{found.decision.public_id}",
        once=f"appeal-answer:{found.appeal.public_id}",
        at=at,
    )


def _answered(found: Decided, outcome: str, words: str, *, at: datetime, by: Actor) -> bool:
    """Whether the answer is new."""
    assert found.appeal is not None
    given = found.answer
    if given is None:
        made = AppealAnswer(
            appeal_id=found.appeal.id,
            outcome=outcome,
            words=words,
            person_id=by.person_id,
            account_id=by.account_id,
            at=at,
        )
        try:
            with db.session.begin_nested():
                db.session.add(made)
                db.session.flush()
        except IntegrityError:  # somebody was faster
            given = db.session.get_one(AppealAnswer, found.appeal.id)
        else:
            return True
    if (given.outcome, given.words, given.person_id) != (outcome, words, by.person_id):
        raise RuleBroken("answered_already", _("This appeal is answered already."))
    return False


def _record(act: str, decision: Decision, *, at: datetime, by: Actor, **detail: object) -> None:
    audit.record(
        f"logbooks.{act}",
        scope=f"programme:{decision.enrolment.cohort.programme_id}",
        at=at,
        account_id=by.account_id,
        acted_as="",
        subject=f"decision:{decision.public_id}",
        **detail,
    )


# ---------------------------------------------------------------- the entrustment record


def revoke(found: Entrusted, enrolment: Enrolment, *, words: str, at: datetime, by: Actor) -> None:
    """Take an entrustment back; it counts at once, and what it had superseded does not come back. Twice is once."""
    policy.require(
        by, Permission.ENTRUSTMENT_REVOKE, queries.TraineeScope(enrolment), see=Permission.ENTRUSTMENT_READ
    )
    if found.revocation is not None:
        return
    if found.standing not in {"in_force", "later"}:
        raise RuleBroken("entrustment_state", _("This entrustment is no longer in force."))
    made = EntrustmentRevocation(
        entrustment_id=found.record.id,
        words=_words(words, needed=True),
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:  # the other click was faster
        return
    audit.record(
        "logbooks.entrustment.revoke",
        scope=f"programme:{enrolment.cohort.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"entrustment:{found.record.public_id}",
        item=found.record.item_code,
    )
    fact_changed.tell(FactChanged("items_approved", enrolment.id, at))
    today = clock.today(at)
    mentors = [one.mentor_person_id for one in programmes.signers_on(enrolment.id, today)]
    _tell(
        [enrolment.person_id, *mentors],
        REVOKED,
        f"/trainees/{enrolment.public_id}/entrustments",
        once=f"revoked:{found.record.public_id}",
        at=at,
        trainee=enrolment.person.name,
        item=found.record.item_code,
    )
