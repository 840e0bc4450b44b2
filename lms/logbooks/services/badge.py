"""The badge for the look-up at the bedside: made, and replaced when it is lost."""

from datetime import datetime

from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.core import audit, ids
from lms.core.db import db
from lms.logbooks.models.badge import Badge
from lms.logbooks.queries import committee as queries
from lms.policy import Actor, Permission
from lms.programmes.models import Enrolment


def make_badge(enrolment: Enrolment, *, replaces: str, at: datetime, by: Actor) -> Badge:
    """A badge with a code of its own; ``replaces``: the code it replaces, which is unknown from then on. Twice is once.

    Whoever names a code that is not in use any more (a second click, an old page) finds the badge that there is.
    """
    policy.require(
        by, Permission.BADGE_MAKE, queries.TraineeScope(enrolment), see=Permission.ENTRUSTMENT_READ
    )
    known = queries.badge_of(enrolment.id)
    if known is not None and known.code != replaces:
        return known
    made = Badge(
        enrolment_id=enrolment.id,
        number=known.number + 1 if known else 1,
        code=ids.public_id(),
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:  # the other click was faster
        found = queries.badge_of(enrolment.id)
        if found is None:
            raise
        return found
    audit.record(
        "logbooks.badge.make",
        scope=f"programme:{enrolment.cohort.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"enrolment:{enrolment.public_id}",
        number=made.number,
    )
    return made
