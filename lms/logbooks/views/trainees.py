"""One trainee and all of a mentor's trainees: where they are, and what waits in their logbooks."""

from collections.abc import Sequence

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lms.accounts.queries import profiles
from lms.core import clock
from lms.logbooks import queries
from lms.logbooks.models import Entry
from lms.logbooks.views.blueprint import PER_PAGE, bp
from lms.logbooks.views.own import note_seen
from lms.policy import Permission, allows
from lms.programmes import queries as programmes
from lms.programmes.queries import meetings as meeting_queries
from lms.web.guard import actor, members
from lms.web.paging import Page, page_number


@bp.get("/trainees")
@members
def trainees() -> ResponseReturnValue:
    """The trainees whom the actor mentors or assesses today."""
    today = clock.today(clock.now())
    return render_template(
        "logbooks/trainees.html", tab="trainees", mentees=queries.mentees(actor(), on=today), today=today
    )


@bp.get("/trainees/<public_id>")
@members
def trainee(public_id: str) -> ResponseReturnValue:
    """One trainee: placements, mentors, and as far as the reader may, the logbook."""
    by, today, number = actor(), clock.today(clock.now()), page_number()
    enrolment = programmes.enrolment(public_id, by)
    state, item = request.args.get("state", ""), request.args.get("item", "")
    placements = programmes.placements(enrolment.id)
    reads = queries.may_read_entries(by, enrolment, placements)
    own = enrolment.person_id == by.person_id
    overview = queries.overview(enrolment, own=own) if reads else None
    rows: Sequence[Entry] = ()
    if overview is not None:
        rows = queries.entries(enrolment, own=own, state=state, item=item, page=number, per_page=PER_PAGE)
    total = overview.total(state=state, item=item) if overview else 0
    manages = allows(by, Permission.COHORT_MANAGE, enrolment.cohort)
    around = meeting_queries.scope_of(enrolment, placements)
    page = render_template(
        "logbooks/trainee.html",
        tab="cohorts" if manages else "trainees",
        enrolment=enrolment,
        placements=placements,
        today=today,
        tracks=dict(programmes.tracks()),
        reads=reads,
        manages=manages,
        reads_profile=manages
        and allows(by, Permission.PROFILE_READ, profiles.scope_of(enrolment.person_id, on=today)),
        reads_meetings=allows(by, Permission.MEETING_READ, around),
        reads_attendance=allows(by, Permission.ATTENDANCE_READ, around),
        reads_feedback=allows(by, Permission.FEEDBACK_SEE, around),
        lets_in=allows(by, Permission.ENTRY_LET_IN, enrolment.cohort),
        overview=overview,
        page=Page(rows, number, total, PER_PAGE),
        returns=queries.returns_of(rows),
        state=state,
        item=item,
    )
    note_seen(rows)
    return page
