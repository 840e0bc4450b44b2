"""What people gave for a response, line by line, for whoever may see the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import select

from lms.assessments import rules
from lms.assessments.models import KeyRevision, Mark, MarkedResponse, Marking, SettledMark, Sitting
from lms.assessments.rules import markers as rule
from lms.core.db import db


@dataclass(frozen=True)
class Criterion:
    """One line with what was settled of it."""

    text: str
    got: str
    """As shown."""
    worth: int
    must: bool
    missed: bool
    """A key item that earned nothing with one of the markers."""


@dataclass(frozen=True)
class Criteria:
    """The settled marks of one response."""

    code: str
    """By which markers knew it."""
    lines: Sequence[Criterion]
    notes: Sequence[str]
    """Of the markers whose marks count."""


def criteria(sitting: Sitting, marks: Mapping[int, Mark]) -> dict[int, Criteria]:
    """Slot → what was settled line by line, as it entered these marks; three queries where people marked anything."""
    if not any(rules.TYPES[slot["type"]].is_marked_by_people for slot in sitting.form.slots):
        return {}
    rows = db.session.execute(
        select(MarkedResponse, SettledMark)
        .join(SettledMark, SettledMark.response_id == MarkedResponse.id)
        .where(MarkedResponse.sitting_id == sitting.id)
        .order_by(SettledMark.round)
    ).all()
    used: dict[int, tuple[MarkedResponse, SettledMark]] = {}
    for response, settled in rows:
        mark = marks.get(response.slot)
        if mark is not None and settled.share * mark.maximum == mark.score:
            used[response.slot] = (response, settled)
    numbers = {number for _response, settled in used.values() for number in settled.markings}
    given = {row.id: row for row in db.session.scalars(select(Marking).where(Marking.id.in_(numbers)))}
    keys = {
        row.id: row
        for row in db.session.scalars(
            select(KeyRevision).where(KeyRevision.id.in_({one.key_revision_id for one in given.values()}))
        )
    }
    found = {}
    for slot, (response, settled) in used.items():
        own = [given[number] for number in settled.markings]
        newest = max((one.key_revision_id for one in own), default=0)
        same = [one for one in own if one.key_revision_id == newest]
        lines = [_criterion(line, same) for line in rule.lines_of(keys[newest].key)] if same else []
        found[slot] = Criteria(response.public_id, lines, [one.note for one in own if one.note])
    return found


def _criterion(line: rule.Line, markings: Sequence[Marking]) -> Criterion:
    given = [Fraction(one.given.get(line.id, "0")) for one in markings]
    mean = sum(given, Fraction(0)) / len(given)
    return Criterion(
        line.text, rules.shown(mean), line.marks, line.must, line.must and any(not one for one in given)
    )
