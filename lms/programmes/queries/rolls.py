"""What a cohort's roll is read against: people, hospitals and colleagues by the words of a list, and what stands."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload, selectinload

from lms.accounts.models import Account, Person
from lms.core.db import db
from lms.programmes import queries
from lms.programmes.models import Cohort, Enrolment, Hospital, Placement
from lms.programmes.rules import lists


def people_by_login(logins: Collection[str]) -> dict[str, Person]:
    """The people behind cleaned logins of open accounts."""
    rows = db.session.scalars(
        select(Account)
        .options(joinedload(Account.person))
        .where(or_(Account.email.in_(logins), Account.phone.in_(logins)), Account.disabled_at.is_(None))
    ).all()
    return {login: row.person for row in rows for login in (row.email, row.phone) if login}


def colleagues_by_name(programme_id: int) -> dict[str, list[Person]]:
    """Who mentors or assesses in a programme, by each of their names."""
    found: dict[str, list[Person]] = defaultdict(list)
    for person in queries.colleagues(programme_id):
        for name in {lists.plain(person.name_zh), lists.plain(person.name_latin)} - {""}:
            found[name].append(person)
    return found


def hospitals_by_word() -> dict[str, Hospital]:
    """Every open hospital by code and names."""
    return {
        lists.plain(word): one
        for one in db.session.scalars(select(Hospital).where(Hospital.closed_on.is_(None)))
        for word in (one.name_en, one.name_zh, one.code)
        if word
    }


def standing(cohort: Cohort, person_ids: Collection[int]) -> Sequence[Enrolment]:
    """Those of some people who are enrolled in a cohort, with home hospital, placements and pairings."""
    return db.session.scalars(
        select(Enrolment)
        .options(
            joinedload(Enrolment.home_hospital),
            selectinload(Enrolment.placements).selectinload(Placement.pairings),
        )
        .where(Enrolment.cohort_id == cohort.id, Enrolment.person_id.in_(person_ids))
    ).all()
