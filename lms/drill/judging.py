"""After the drill: does the database hold what was acknowledged, once, and as it was sent?"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from lms.app import create_app
from lms.assessments import rules
from lms.assessments.models import ResponseEvent, ResponseHead, Sitting
from lms.core.db import db
from lms.drill.candidates import Candidate
from lms.settings import Settings


@dataclass(frozen=True)
class Verdict:
    """What became of the answers."""

    acknowledged: int
    """Operations that the server said were safe."""
    lost: int
    """Of them, those that are not in the database with just that content; and hand-ins that are not there."""
    duplicated: int
    """Operations that stand there twice or that nobody sent, and second sittings of one candidate."""


def judge(settings: Settings, candidates: Sequence[Candidate]) -> Verdict:
    """Compare every promise with the database. The server may run or not."""
    app = create_app(settings)
    with app.app_context():
        events = db.session.scalars(select(ResponseEvent).order_by(ResponseEvent.id)).all()
        heads = {
            (row.sitting_id, row.slot, row.kind): row.event_id
            for row in db.session.scalars(select(ResponseHead))
        }
        sittings = db.session.scalars(select(Sitting)).all()
        verdict = compare(candidates, events, heads, sittings)
        db.session.remove()
        db.engine.dispose()
    return verdict


def compare(
    candidates: Iterable[Candidate],
    events: Sequence[ResponseEvent],
    heads: dict[tuple[int, int, str], int],
    sittings: Sequence[Sitting],
) -> Verdict:
    """The same from rows that were read."""
    stored = {(row.device, row.client_seq): row for row in events}
    by_path = {f"/sittings/{row.public_id}": row for row in sittings}
    acknowledged = lost = 0
    sent: set[tuple[str, int]] = set()
    for one in candidates:
        sent.update((one.device, seq) for seq in one.made)
        acknowledged += one.acked
        sitting = by_path.get(one.path)
        for seq in range(1, one.acked + 1):
            row = stored.get((one.device, seq))
            is_there = (
                row is not None
                and sitting is not None
                and row.sitting_id == sitting.id
                and (row.slot, dict(row.body)) == one.made[seq]
                and row.applied
            )
            lost += not is_there
        if one.is_over:
            lost += sitting is None or sitting.state == rules.SittingState.IN_PROGRESS
    lost += _wrong_heads(events, heads)
    takers = Counter(row.enrolment_id for row in sittings)
    duplicated = (
        len(events)
        - len(stored)
        + sum(key not in sent for key in stored)
        + sum(count - 1 for count in takers.values())
    )
    return Verdict(acknowledged, lost, duplicated)


def _wrong_heads(events: Sequence[ResponseEvent], heads: dict[tuple[int, int, str], int]) -> int:
    """Answers that do not stand as the events say: a head that is missing, too many, or an older one."""
    by_sitting: dict[int, list[ResponseEvent]] = {}
    for row in events:
        by_sitting.setdefault(row.sitting_id, []).append(row)
    expected = {
        (sitting_id, slot, kind): event.id
        for sitting_id, rows in by_sitting.items()
        for (slot, kind), event in rules.fold(rows).items()
    }
    return len(set(expected.items()) ^ set(heads.items()))
