"""Questions about mentors: of whom they are the primary mentor when, and since when they may be."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased, joinedload

from lms import policy
from lms.core.db import db
from lms.core.errors import NotFound
from lms.policy import Actor, Permission
from lms.programmes.models import MentorQualification, Pairing, Programme
from lms.programmes.rules import Span


def primary_spans(person_ids: Collection[int]) -> dict[int, list[Span]]:
    """The days on which some people are primary mentors, whatever the programme, one span for each pairing."""
    found: dict[int, list[Span]] = defaultdict(list)
    for person_id, first, last in db.session.execute(
        select(Pairing.mentor_person_id, Pairing.from_on, Pairing.to_on).where(
            Pairing.mentor_person_id.in_(person_ids), Pairing.kind == "primary"
        )
    ):
        found[person_id].append((first, last))
    return found


def _is_standing() -> object:
    later = aliased(MentorQualification)
    return ~exists().where(later.supersedes_id == MentorQualification.id)


def qualified(programme_id: int, person_ids: Collection[int]) -> dict[int, list[tuple[date, date | None]]]:
    """The days on which some people may be primary mentors in a programme."""
    found: dict[int, list[tuple[date, date | None]]] = defaultdict(list)
    for person_id, first, last in db.session.execute(
        select(MentorQualification.person_id, MentorQualification.from_on, MentorQualification.to_on).where(
            MentorQualification.programme_id == programme_id,
            MentorQualification.person_id.in_(person_ids),
            _is_standing(),  # type: ignore[arg-type]
        )
    ):
        found[person_id].append((first, last))
    return found


def programme(public_id: str, by: Actor) -> Programme:
    """A programme whose qualifications the actor may read. Raises NotFound."""
    found = db.session.scalar(select(Programme).where(Programme.public_id == public_id))
    if found is None:
        raise NotFound
    policy.require(by, Permission.QUALIFICATION_READ, found)
    return found


def qualifications(programme: Programme) -> Sequence[MentorQualification]:
    """What stands in a programme, by name, the latest first. Ask ``programme`` first: it holds the door."""
    rows = db.session.scalars(
        select(MentorQualification)
        .options(joinedload(MentorQualification.person), joinedload(MentorQualification.recorder))
        .where(MentorQualification.programme_id == programme.id, _is_standing())  # type: ignore[arg-type]
    ).all()
    return sorted(rows, key=lambda row: (row.person.name_latin or row.person.name, -row.from_on.toordinal()))


def history(row: MentorQualification) -> Sequence[MentorQualification]:
    """What a qualification supersedes, the newest first. Ask ``programme`` first: it holds the door."""
    known = {
        one.id: one
        for one in db.session.scalars(
            select(MentorQualification)
            .options(joinedload(MentorQualification.recorder))
            .where(
                MentorQualification.programme_id == row.programme_id,
                MentorQualification.person_id == row.person_id,
            )
        )
    }
    found = []
    before = row.supersedes_id
    while before is not None:
        found.append(known[before])
        before = known[before].supersedes_id
    return found


def qualification(programme: Programme, public_id: str) -> MentorQualification:
    """One qualification that stands. Raises NotFound. Ask ``programme`` first: it holds the door."""
    found = next((row for row in qualifications(programme) if row.public_id == public_id), None)
    if found is None:
        raise NotFound
    return found
