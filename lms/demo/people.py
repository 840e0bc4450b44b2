"""The people of the demonstration as they act."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries
from lms.accounts.models import Account, Person
from lms.core.db import db
from lms.policy import Actor


def account_of(person: Person) -> Account:
    """The one account of a person, the person loaded."""
    return db.session.scalars(
        select(Account).options(joinedload(Account.person)).where(Account.person_id == person.id)
    ).one()


def known(person: Person, *, at: datetime) -> Actor:
    """A person as they are at ``at``, without signing in."""
    return queries.actor_of(account_of(person), at=at)
