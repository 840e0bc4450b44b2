"""The competence committee: meetings with agenda, votes and decisions, and which entrustments are in force."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.core import clock, i18n
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.ids import is_public_id
from lms.logbooks import rules as logbook
from lms.logbooks.models import Entry, EntryRevision, Item, Signature
from lms.logbooks.models.badge import Badge
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
from lms.logbooks.queries.choices import items
from lms.logbooks.queries.progress import evidence
from lms.logbooks.queries.records import standing
from lms.logbooks.rules import committee as rules
from lms.policy import Actor, Permission, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment, Pairing, Placement

READERS = (Role.COORDINATOR, Role.DIRECTOR, Role.AUDITOR, Role.COMMITTEE_CHAIR)
CONVENERS = (Role.COORDINATOR, Role.COMMITTEE_CHAIR)
LOOK_UP = (
    Role.COORDINATOR,
    Role.DIRECTOR,
    Role.AUDITOR,
    Role.UNIT_LEAD,
    Role.COMMITTEE_MEMBER,
    Role.COMMITTEE_CHAIR,
)
FOUND_MAX = 20
"""So many trainees a search at the bedside shows."""


class MeetingScope:
    """The shape of a meeting that the policy table asks for."""

    def __init__(self, cohort: Cohort, members: Iterable[Member]) -> None:
        self.cohort_id = cohort.id
        self.programme_id = cohort.programme_id
        members = list(members)
        self.member_person_ids = frozenset(one.person_id for one in members)
        self.chair_person_id = next((one.person_id for one in members if one.part == "chair"), None)


class LineScope(MeetingScope):
    """The shape of one line of an agenda: the meeting, and whoever is too close to the trainee."""

    def __init__(
        self, cohort: Cohort, members: Iterable[Member], trainee: int, mentors: Collection[int]
    ) -> None:
        super().__init__(cohort, members)
        self.trainee_person_id = trainee
        self.mentor_person_ids = frozenset(mentors)


class TraineeScope:
    """The shape of a trainee's entrustments."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment_id = enrolment.id
        self.trainee_person_id = enrolment.person_id
        self.cohort_id = enrolment.cohort_id
        self.programme_id = enrolment.cohort.programme_id

    @cached_property
    def mentor_person_ids(self) -> frozenset[int]:
        """Who is or was paired with the trainee."""
        return frozenset(programmes.mentor_ids(self._enrolment_id))


@dataclass(frozen=True)
class Called:
    """A meeting with those who sit in it."""

    meeting: Meeting
    members: Sequence[Member]

    @property
    def scope(self) -> MeetingScope:
        """The policy's view of it."""
        return MeetingScope(self.meeting.cohort, self.members)

    @property
    def chair(self) -> Person:
        """Who chairs it."""
        return next(one.person for one in self.members if one.part == "chair")


@dataclass(frozen=True)
class Line:
    """One line of an agenda with all that was said about it."""

    agenda: Agenda
    evidence: FrozenEvidence | None
    votes: Mapping[int, Vote]
    """The latest vote of each member, by person id."""
    decision: Decision | None
    close_ids: frozenset[int]
    """Persons who may not vote on it: the trainee, and whoever is or was paired with them."""

    @property
    def ballots(self) -> list[rules.Ballot]:
        """The votes as the rules count them."""
        return [rules.Ballot(one.choice, one.level) for one in self.votes.values()]

    @property
    def achieved(self) -> bool:
        """Whether the numbers were met when the meeting was opened."""
        return bool(self.evidence and self.evidence.document["achieved"])


# ---------------------------------------------------------------- meetings


def _meetings(by: Actor) -> Select[Meeting]:
    query = select(Meeting).join(Cohort, Cohort.id == Meeting.cohort_id)
    cohort_ids, programme_ids = by.scope_ids("cohort", *READERS), by.scope_ids("programme", *READERS)
    if cohort_ids is None or programme_ids is None:
        return query
    sits = select(Member.meeting_id).where(Member.person_id == by.person_id)
    return query.where(
        or_(Meeting.cohort_id.in_(cohort_ids), Cohort.programme_id.in_(programme_ids), Meeting.id.in_(sits))
    )


def meetings(by: Actor, *, page: int, per_page: int) -> tuple[Sequence[Meeting], int]:
    """Meetings that the actor may read, the newest first, and how many there are."""
    query = _meetings(by)
    total = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = db.session.scalars(
        query.options(joinedload(Meeting.cohort))
        .order_by(Meeting.held_on.desc(), Meeting.id.desc())
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
    return rows, total


def meeting(public_id: str, by: Actor, *, for_update: bool = False) -> Called:
    """One meeting. Raises NotFound for whoever may not read it. ``for_update``: held until the transaction ends."""
    if not is_public_id(public_id):
        raise NotFound
    query = select(Meeting).options(joinedload(Meeting.cohort)).where(Meeting.public_id == public_id)
    if for_update:
        query = query.with_for_update(of=Meeting).execution_options(populate_existing=True)
    found = db.session.scalar(query)
    if found is None:
        raise NotFound
    called = _called(found)
    policy.require(by, Permission.COMMITTEE_READ, called.scope)
    return called


def _called(found: Meeting) -> Called:
    members = db.session.scalars(
        select(Member)
        .options(joinedload(Member.person))
        .where(Member.meeting_id == found.id)
        .order_by(Member.id)
    ).all()
    return Called(found, members)


def meeting_of_client(client_uuid: str, cohort: Cohort) -> Meeting | None:
    """What an earlier press of the same button made."""
    return db.session.scalar(
        select(Meeting)
        .options(joinedload(Meeting.cohort))
        .where(Meeting.client_uuid == client_uuid, Meeting.cohort_id == cohort.id)
    )


def convenable_cohorts(by: Actor) -> Sequence[Cohort]:
    """Cohorts for which the actor may call a meeting, the newest first."""
    query = select(Cohort).order_by(Cohort.start_on.desc(), Cohort.id.desc())
    cohort_ids, programme_ids = by.scope_ids("cohort", *CONVENERS), by.scope_ids("programme", *CONVENERS)
    if cohort_ids is not None and programme_ids is not None:
        query = query.where(or_(Cohort.id.in_(cohort_ids), Cohort.programme_id.in_(programme_ids)))
    return db.session.scalars(query).all()


def convenable_cohort(public_id: str, by: Actor) -> Cohort:
    """One of them. Raises NotFound."""
    found = db.session.scalar(select(Cohort).where(Cohort.public_id == public_id))
    if found is None or not policy.allows(by, Permission.COMMITTEE_CONVENE, found):
        raise NotFound
    return found


def sitting_persons(cohort: Cohort, *, on: date) -> tuple[Sequence[Person], Sequence[Person]]:
    """Who may chair a meeting of the cohort, and who may sit in one."""
    scopes = (f"cohort:{cohort.id}", f"programme:{cohort.programme_id}")
    chairs = accounts.persons_with_role(Role.COMMITTEE_CHAIR, *scopes, on=on)
    members = accounts.persons_with_role(Role.COMMITTEE_MEMBER, *scopes, on=on)
    return chairs, list({one.id: one for one in [*chairs, *members]}.values())


def lines(called: Called) -> list[Line]:
    """The agenda of a meeting, by trainee and item. Six queries, however long it is."""
    meeting_id = called.meeting.id
    rows = db.session.scalars(
        select(Agenda)
        .options(joinedload(Agenda.enrolment).joinedload(Enrolment.person), joinedload(Agenda.item))
        .where(Agenda.meeting_id == meeting_id)
    ).all()
    numbers = select(Agenda.id).where(Agenda.meeting_id == meeting_id)
    frozen = {
        one.agenda_id: one
        for one in db.session.scalars(select(FrozenEvidence).where(FrozenEvidence.agenda_id.in_(numbers)))
    }
    votes: dict[int, dict[int, Vote]] = {}
    for vote in db.session.scalars(select(Vote).where(Vote.agenda_id.in_(numbers)).order_by(Vote.number)):
        votes.setdefault(vote.agenda_id, {})[vote.person_id] = vote
    decided = {
        one.agenda_id: one
        for one in db.session.scalars(select(Decision).where(Decision.agenda_id.in_(numbers)))
    }
    paired = _ever_paired({row.enrolment_id for row in rows})
    found = [
        Line(
            row,
            frozen.get(row.id),
            votes.get(row.id, {}),
            decided.get(row.id),
            frozenset({row.enrolment.person_id, *paired.get(row.enrolment_id, ())}),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.agenda.enrolment_id, one.agenda.item.code))


def _ever_paired(enrolment_ids: Collection[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    rows = db.session.execute(
        select(Placement.enrolment_id, Pairing.mentor_person_id)
        .join(Pairing, Pairing.placement_id == Placement.id)
        .where(Placement.enrolment_id.in_(enrolment_ids))
    )
    for enrolment_id, person_id in rows:
        found.setdefault(enrolment_id, set()).add(person_id)
    return found


def line(called: Called, public_id: str) -> Line:
    """One line of the agenda. Raises NotFound."""
    found = next((one for one in lines(called) if one.agenda.public_id == public_id), None)
    if found is None:
        raise NotFound
    return found


def line_scope(called: Called, found: Line) -> LineScope:
    """The policy's view of a line."""
    trainee = found.agenda.enrolment.person_id
    return LineScope(called.meeting.cohort, called.members, trainee, found.close_ids - {trainee})


def cohort_enrolment(cohort: Cohort, public_id: str) -> Enrolment:
    """A trainee of the cohort. Raises NotFound."""
    found = db.session.scalar(
        select(Enrolment)
        .options(joinedload(Enrolment.person))
        .where(Enrolment.cohort_id == cohort.id, Enrolment.public_id == public_id)
    )
    if found is None:
        raise NotFound
    return found


def badge_of(enrolment_id: int) -> Badge | None:
    """The badge of a trainee that is known at the bedside; None while none was made."""
    return db.session.scalar(
        select(Badge).where(Badge.enrolment_id == enrolment_id).order_by(Badge.number.desc()).limit(1)
    )


def badged_enrolment(code: str, by: Actor) -> Enrolment:
    """The trainee to whose badge a code leads. Raises NotFound for an unknown or replaced code, and for whoever may not look them up."""
    found = db.session.scalar(select(Badge).where(Badge.code == code)) if is_public_id(code) else None
    latest = badge_of(found.enrolment_id) if found else None
    if found is None or latest is None or latest.id != found.id:
        raise NotFound
    public_id = db.session.scalars(
        select(Enrolment.public_id).where(Enrolment.id == found.enrolment_id)
    ).one()
    return entrusted_enrolment(public_id, by)


# ---------------------------------------------------------------- evidence


def evidence_now(enrolment: Enrolment, codes: Collection[str], *, today: date) -> dict[str, dict[str, Any]]:
    """What stands for and against a trainee, by code of the item: numbers, facets in both languages, signed entries."""
    known, documents = evidence(enrolment.id), {}
    signed = _signed_entries(enrolment.id)
    for item in items(enrolment.cohort_id):
        if item.code not in codes:
            continue
        requirement = logbook.requirement_of(item.targets, item.rule, enrolment.track)
        cells = {}
        for name in ("zh_Hans", "en"):
            with i18n.speaking(name):
                cell = logbook.progress(known.get(item.code, []), requirement, today=today)
                cells[name] = [str(tally.what) for tally in cell.tallies]
        documents[item.code] = {
            "item": item.code,
            "framework": f"{item.framework.code} {item.framework.version}",
            "trainee": enrolment.public_id,
            "track": enrolment.track,
            "on": today.isoformat(),
            "counted": cell.counted,
            "exposure": cell.exposure,
            "latest_level": cell.latest_level,
            "achieved": cell.achieved,
            "tallies": [
                {"zh": cells["zh_Hans"][place], "en": cells["en"][place], "have": one.have, "need": one.need}
                for place, one in enumerate(cell.tallies)
            ],
            "entries": signed.get(item.code, []),
        }
    return documents


def _signed_entries(enrolment_id: int) -> dict[str, list[dict[str, Any]]]:
    rows = db.session.execute(
        select(
            Item.code,
            Entry.public_id,
            Entry.performed_on,
            EntryRevision.number,
            Signature.payload_sha256,
            Signature.level,
        )
        .join(Entry, Entry.item_id == Item.id)
        .join(
            EntryRevision, (EntryRevision.entry_id == Entry.id) & (EntryRevision.number == Entry.revision_no)
        )
        .join(Signature, (Signature.revision_id == EntryRevision.id) & (Signature.kind == "sign"))
        .where(Entry.enrolment_id == enrolment_id, Entry.state.in_(logbook.COUNTED), standing())
        .order_by(Entry.performed_on, Entry.id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for code, public_id, day, number, sha256, level in rows:
        found.setdefault(code, []).append(
            {"entry": public_id, "on": day.isoformat(), "revision": number, "sha256": sha256, "level": level}
        )
    return found


# ---------------------------------------------------------------- decisions and appeals


@dataclass(frozen=True)
class Decided:
    """A decision with what came after it."""

    decision: Decision
    appeal: DecisionAppeal | None
    answer: AppealAnswer | None

    @property
    def appeal_until(self) -> date:
        """The last day for an appeal."""
        return rules.appeal_until(clock.today(self.decision.at))


def _decided(query: Select[Decision, DecisionAppeal, AppealAnswer]) -> list[Decided]:
    rows = db.session.execute(
        query.outerjoin(DecisionAppeal, DecisionAppeal.decision_id == Decision.id).outerjoin(
            AppealAnswer, AppealAnswer.appeal_id == DecisionAppeal.id
        )
    )
    return [Decided(*row) for row in rows]


def decisions_of(enrolment: Enrolment) -> list[Decided]:
    """All decisions about a trainee, the newest first. The caller holds the door."""
    return _decided(
        select(Decision, DecisionAppeal, AppealAnswer)
        .options(joinedload(Decision.item))
        .where(Decision.enrolment_id == enrolment.id)
        .order_by(Decision.at.desc(), Decision.id.desc())
    )


def decision(public_id: str, by: Actor) -> tuple[Decided, LineScope]:
    """One decision with its trainee, and the policy's view. Raises NotFound for whoever may not know of it."""
    found = next(
        iter(
            _decided(
                select(Decision, DecisionAppeal, AppealAnswer)
                .options(
                    joinedload(Decision.item),
                    joinedload(Decision.enrolment).joinedload(Enrolment.person),
                    joinedload(Decision.enrolment).joinedload(Enrolment.cohort),
                    joinedload(Decision.agenda),
                )
                .where(Decision.public_id == public_id)
            )
        ),
        None,
    )
    if found is None:
        raise NotFound
    enrolment = found.decision.enrolment
    members = db.session.scalars(
        select(Member).where(Member.meeting_id == found.decision.agenda.meeting_id)
    ).all()
    scope = LineScope(enrolment.cohort, members, enrolment.person_id, programmes.mentor_ids(enrolment.id))
    policy.require(by, Permission.ENTRUSTMENT_READ, scope)
    return found, scope


def open_appeals(by: Actor) -> list[Decided]:
    """Appeals without an answer in the actor's scopes, the oldest first, trainee and item loaded."""
    roles = (Role.DIRECTOR, Role.COMMITTEE_CHAIR, Role.COMMITTEE_MEMBER)
    cohort_ids, programme_ids = by.scope_ids("cohort", *roles), by.scope_ids("programme", *roles)
    query = (
        select(Decision, DecisionAppeal, AppealAnswer)
        .join(Enrolment, Enrolment.id == Decision.enrolment_id)
        .join(Cohort, Cohort.id == Enrolment.cohort_id)
        .options(joinedload(Decision.item), joinedload(Decision.enrolment).joinedload(Enrolment.person))
        .where(DecisionAppeal.id.is_not(None), AppealAnswer.appeal_id.is_(None))
        .order_by(DecisionAppeal.at)
    )
    if cohort_ids is not None and programme_ids is not None:
        query = query.where(or_(Cohort.id.in_(cohort_ids), Cohort.programme_id.in_(programme_ids)))
    return _decided(query)


# ---------------------------------------------------------------- the entrustment record


@dataclass(frozen=True)
class Entrusted:
    """One entrustment and how it stands today."""

    record: Entrustment
    item: Item
    standing: str
    revocation: EntrustmentRevocation | None


def entrusted_enrolment(public_id: str, by: Actor) -> Enrolment:
    """The trainee whose entrustments the actor may read. Raises NotFound."""
    if not is_public_id(public_id):
        raise NotFound
    found = db.session.scalar(
        select(Enrolment)
        .options(joinedload(Enrolment.person), joinedload(Enrolment.cohort))
        .where(Enrolment.public_id == public_id)
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.ENTRUSTMENT_READ, TraineeScope(found))
    return found


def entrustments(enrolment: Enrolment, *, today: date) -> list[Entrusted]:
    """The whole record of a trainee by item, the latest first. The caller holds the door."""
    return entrustments_of([enrolment.id], today=today).get(enrolment.id, [])


def entrustments_of(enrolment_ids: Collection[int], *, today: date) -> dict[int, list[Entrusted]]:
    """The records of many trainees; who has none is left out. The caller holds the door."""
    rows = db.session.execute(
        select(Entrustment, Item, EntrustmentRevocation)
        .join(Decision, Decision.id == Entrustment.decision_id)
        .join(Item, Item.id == Decision.item_id)
        .outerjoin(EntrustmentRevocation, EntrustmentRevocation.entrustment_id == Entrustment.id)
        .where(Entrustment.enrolment_id.in_(list(enrolment_ids)))
        .order_by(Entrustment.enrolment_id, Entrustment.item_code, Entrustment.number.desc())
    ).all()
    held: dict[tuple[int, str], list[rules.Held]] = {}
    for record, _item, revocation in rows:
        held.setdefault((record.enrolment_id, record.item_code), []).append(
            rules.Held(record.number, record.from_on, record.expires_on, revocation is not None)
        )
    found: dict[int, list[Entrusted]] = {}
    for record, item, revocation in rows:
        all_of_item = held[record.enrolment_id, record.item_code]
        standing = rules.standing(all_of_item, record.number, today=today)
        found.setdefault(record.enrolment_id, []).append(Entrusted(record, item, standing, revocation))
    return found


def entrustment(public_id: str, by: Actor, *, today: date) -> tuple[Entrusted, Enrolment]:
    """One record and its trainee. Raises NotFound for whoever may not read it."""
    enrolment_id = db.session.scalar(
        select(Entrustment.enrolment_id).where(Entrustment.public_id == public_id)
    )
    if enrolment_id is None:
        raise NotFound
    enrolment = db.session.scalars(
        select(Enrolment)
        .options(joinedload(Enrolment.person), joinedload(Enrolment.cohort))
        .where(Enrolment.id == enrolment_id)
    ).one()
    policy.require(by, Permission.ENTRUSTMENT_READ, TraineeScope(enrolment))
    found = next(one for one in entrustments(enrolment, today=today) if one.record.public_id == public_id)
    return found, enrolment


def numbers_given(enrolment_ids: Collection[int]) -> dict[tuple[int, str], int]:
    """The highest number of the records of each trainee and item."""
    rows = db.session.execute(
        select(Entrustment.enrolment_id, Entrustment.item_code, func.max(Entrustment.number))
        .where(Entrustment.enrolment_id.in_(enrolment_ids))
        .group_by(Entrustment.enrolment_id, Entrustment.item_code)
    )
    return {(enrolment_id, code): number for enrolment_id, code, number in rows}


def bedside(search: str, by: Actor, *, today: date) -> list[Enrolment]:
    """Trainees of the running cohorts whom the actor may look up, by part of a name; at most ``FOUND_MAX``."""
    query = (
        select(Enrolment)
        .join(Cohort, Cohort.id == Enrolment.cohort_id)
        .join(Person, Person.id == Enrolment.person_id)
        .options(joinedload(Enrolment.person), joinedload(Enrolment.cohort))
        .where(Enrolment.state != "withdrawn", Cohort.start_on <= today)
        .order_by(Person.name_latin, Enrolment.id)
        .limit(FOUND_MAX)
    )
    if search:
        query = query.where(
            or_(
                Person.name_zh.contains(search, autoescape=True),
                func.lower(Person.name_latin).contains(search.lower(), autoescape=True),
            )
        )
    cohort_ids, programme_ids = by.scope_ids("cohort", *LOOK_UP), by.scope_ids("programme", *LOOK_UP)
    if cohort_ids is not None and programme_ids is not None:
        paired = (
            select(Placement.enrolment_id)
            .join(Pairing, Pairing.placement_id == Placement.id)
            .where(Pairing.mentor_person_id == by.person_id)
        )
        query = query.where(
            or_(
                Cohort.id.in_(cohort_ids),
                Cohort.programme_id.in_(programme_ids),
                Enrolment.id.in_(paired),
            )
        )
    return list(db.session.scalars(query))
