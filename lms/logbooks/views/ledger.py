"""How signers sign: one's own line for a mentor, all of them for who runs the programme."""

from datetime import timedelta

from flask import render_template
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.errors import NotFound
from lms.logbooks import queries
from lms.logbooks.queries.sampling import may_read_samples
from lms.logbooks.views.blueprint import bp
from lms.web.guard import actor, members

SINCE = timedelta(days=91)
SAMPLED_SINCE = timedelta(days=366)


@bp.get("/mentors")
@members
def mentors() -> ResponseReturnValue:
    """Hours to sign, returns, levels against peers, what waits; of the last thirteen weeks."""
    by, at = actor(), clock.now()
    cohorts, everybody = queries.cohorts_of_signers(by)
    if not cohorts:
        raise NotFound
    rows = queries.ledgers(cohorts, at=at, since=clock.today(at) - SINCE)
    if not everybody:
        rows = [row for row in rows if row.person.id == by.person_id]
    return render_template(
        "logbooks/mentors.html",
        tab="cohorts" if everybody else "to-sign",
        rows=rows,
        sampled=queries.sampled(
            [row.person.id for row in rows], cohorts, since=clock.today(at) - SAMPLED_SINCE
        ),
        reads_samples=may_read_samples(by),
        everybody=everybody,
    )
