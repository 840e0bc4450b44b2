"""What the entry form offers: items and signers."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import aliased, joinedload

from lms.accounts.models import Person
from lms.core.db import db
from lms.logbooks import rules
from lms.logbooks.models import Entry, Framework, Item
from lms.logbooks.models.frameworks import CohortFramework
from lms.programmes import queries as programmes

FREQUENT = 6
"""Chips on top of the entry form."""


def items(cohort_id: int | None = None, *, code: str = "") -> Sequence[Item]:
    """Every item that can be logged now, frameworks loaded; with ``code`` those of this code alone.

    A cohort has the versions that it was given or kept, else the latest published one of each unit.
    """
    query = (
        select(Item)
        .join(Item.framework)
        .options(joinedload(Item.framework))
        .where(Framework.id.in_(frameworks_of(cohort_id)))
        .order_by(Framework.code, Item.position)
    )
    return db.session.scalars(query.where(Item.code == code) if code else query).all()


def frameworks_of(cohort_id: int | None) -> Select[int]:
    """Ids of the frameworks that a cohort trains by; None: of the latest ones."""
    latest = (
        select(Framework.code, func.max(Framework.version).label("version"))
        .where(Framework.state == "published")
        .group_by(Framework.code)
        .subquery()
    )
    newest = select(Framework.id).join(
        latest, and_(latest.c.code == Framework.code, latest.c.version == Framework.version)
    )
    if cohort_id is None:
        return newest
    pinned = select(CohortFramework.code).where(CohortFramework.cohort_id == cohort_id)
    later = aliased(CohortFramework)
    given = select(CohortFramework.framework_id).where(
        CohortFramework.cohort_id == cohort_id,
        ~exists().where(
            later.cohort_id == CohortFramework.cohort_id,
            later.code == CohortFramework.code,
            later.number > CohortFramework.number,
        ),
    )
    return select(Framework.id).where(
        or_(
            Framework.id.in_(given),
            and_(Framework.code.notin_(pinned), Framework.id.in_(newest)),
        )
    )


def frequent_items(enrolment_id: int, among: Sequence[Item], *, unit: str) -> list[Item]:
    """The trainee's own most frequent items, filled up from the unit's framework, critical ones first."""
    counts = _logged_counts(enrolment_id)
    own = sorted((item for item in among if counts.get(item.code)), key=lambda item: -counts[item.code])
    others = sorted(
        (item for item in among if not counts.get(item.code)),
        key=lambda item: (
            item.framework.code != unit,
            not item.critical,
            item.kind != "PROCEDURE",
            item.position,
        ),
    )
    return (own + others)[:FREQUENT]


def _logged_counts(enrolment_id: int) -> dict[str, int]:
    rows = db.session.execute(
        select(Item.code, func.count())
        .join(Entry, Entry.item_id == Item.id)
        .where(Entry.enrolment_id == enrolment_id, Entry.state != rules.DISCARDED)
        .group_by(Item.code)
    )
    return {row[0]: row[1] for row in rows}


def signers_between(enrolment_id: int, first: date, last: date) -> list[Person]:
    """Who supervised a trainee on any day of a span, the primary mentor of the last day first."""
    found: dict[int, Person] = {}
    pairings = programmes.pairings_between(enrolment_id, first, last)
    for pairing in sorted(
        pairings,
        key=lambda row: (
            not row.from_on <= last <= row.to_on,
            ("primary", "second", "deputy").index(row.kind),
            row.id,
        ),
    ):
        found.setdefault(pairing.mentor_person_id, pairing.mentor)
    return list(found.values())
