"""What the competence committee has approved, as a fact that certificates count."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import and_, func, select

from lms.core.db import db
from lms.logbooks.models.committee import Entrustment, EntrustmentRevocation
from lms.logbooks.queries.choices import items
from lms.programmes.models import Cohort, Enrolment


@dataclass(frozen=True)
class ApprovedFacts:
    """Approved items of the trainees of a cohort."""

    approved: dict[int, int]
    """By enrolment id; who has none is left out."""
    total: dict[int, int]
    """Items that the trainee's track has a target for, by enrolment id."""


def approved_facts(cohort_id: int, *, enrolment_id: int | None = None) -> ApprovedFacts:
    """How many items each trainee of a cohort (or one of them) is entrusted with, three queries whatever their number.

    An item counts when its latest entrustment was not revoked, reaches the level that the trainee's track aims at, and
    will still be in force on the cohort's last day: so no clock takes away, after the training, what stood at its end.
    """
    levels: dict[str, dict[str, int]] = {}
    for item in items():
        for track, target in item.targets.items():
            levels.setdefault(track, {})[item.code] = int(target.get("level", 1))
    wanted = [Enrolment.cohort_id == cohort_id]
    if enrolment_id is not None:
        wanted.append(Enrolment.id == enrolment_id)
    tracks = {
        row[0]: row[1] for row in db.session.execute(select(Enrolment.id, Enrolment.track).where(*wanted))
    }
    latest = (
        select(Entrustment.enrolment_id, Entrustment.item_code, func.max(Entrustment.number).label("number"))
        .group_by(Entrustment.enrolment_id, Entrustment.item_code)
        .subquery()
    )
    rows = db.session.execute(
        select(Entrustment.enrolment_id, Entrustment.item_code, Entrustment.level)
        .join(
            latest,
            and_(
                latest.c.enrolment_id == Entrustment.enrolment_id,
                latest.c.item_code == Entrustment.item_code,
                latest.c.number == Entrustment.number,
            ),
        )
        .join(Enrolment, Enrolment.id == Entrustment.enrolment_id)
        .join(Cohort, Cohort.id == Enrolment.cohort_id)
        .outerjoin(EntrustmentRevocation, EntrustmentRevocation.entrustment_id == Entrustment.id)
        .where(
            *wanted,
            EntrustmentRevocation.entrustment_id.is_(None),
            (Entrustment.expires_on.is_(None)) | (Entrustment.expires_on > Cohort.end_on),
        )
    )
    approved = Counter(
        number for number, code, level in rows if level >= levels.get(tracks[number], {}).get(code, 99)
    )
    return ApprovedFacts(
        dict(approved), {number: len(levels.get(track, {})) for number, track in tracks.items()}
    )
