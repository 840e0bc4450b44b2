"""Whether a colleague may be the primary mentor of one more trainee: qualified for the days, and with room for it."""

from datetime import datetime

from sqlalchemy import select

from lms import policy
from lms.accounts.models import Person
from lms.core import audit, deid
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Enrolment, Programme
from lms.programmes.queries import mentoring as queries
from lms.programmes.rules import Span
from lms.programmes.rules import mentoring as rules


def require_fit(
    enrolment: Enrolment, mentor: Person, span: Span, *, beyond: str, at: datetime, by: Actor
) -> None:
    """Refuse a primary mentor who is not qualified where the programme asks for it, or has no room.

    ``beyond``: why the load cap is passed; the director's word, which is kept. Raises RuleBroken ``not_qualified``,
    ``load_cap`` or ``load_director``.
    """
    programme = db.session.get_one(Programme, enrolment.cohort.programme_id)
    if programme.asks_qualification:
        rules.require_qualified(span, queries.qualified(programme.id, [mentor.id])[mentor.id])
    db.session.execute(select(Person.id).where(Person.id == mentor.id).with_for_update())
    others = queries.primary_spans([mentor.id])[mentor.id]
    try:
        rules.require_room(span, others, programme.mentor_cap)
    except RuleBroken:
        if not beyond:
            raise
        if not policy.allows(by, Permission.LOAD_EXCEED, programme):
            raise RuleBroken(
                "load_director", _("Only the director goes beyond the load cap."), field="beyond"
            ) from None
        deid.require_clean(beyond, field="beyond")
        audit.record(
            "programmes.load.exceed",
            scope=f"programme:{programme.id}",
            at=at,
            account_id=by.account_id,
            subject=f"enrolment:{enrolment.public_id}",
            person=mentor.public_id,
            cap=programme.mentor_cap,
            trainees=rules.most_at_once(span, others) + 1,
            reason=beyond,
        )
