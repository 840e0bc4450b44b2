"""What a trainee may do, and under which supervision: the record, its revocation, the badge, the look-up at the bedside."""

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock, qr, site
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.logbooks.forms import ReasonForm
from lms.logbooks.queries import committee as queries
from lms.logbooks.queries.sampling import may_read_samples
from lms.logbooks.services import badge as badges
from lms.logbooks.services import committee as services
from lms.logbooks.views.blueprint import bp
from lms.policy import Permission, Role, allows, require
from lms.programmes.models import Enrolment
from lms.web.forms import Form, request_value
from lms.web.guard import actor, members


def _tab() -> str:
    by = actor()
    if by.is_any(Role.TRAINEE):
        return "progress"
    if by.is_any(Role.MENTOR, Role.SECOND_ASSESSOR):
        return "trainees"
    staff = (Role.UNIT_LEAD, Role.COMMITTEE_MEMBER, Role.COMMITTEE_CHAIR)
    return "bedside" if by.is_any(*staff) else "cohorts"


@bp.get("/trainees/<public_id>/entrustments")
@members
def entrustments(public_id: str) -> ResponseReturnValue:
    """A trainee's entrustments and the committee's decisions, for the trainee, the mentors, and who runs the programme."""
    by, today = actor(), clock.today(clock.now())
    enrolment = queries.entrusted_enrolment(public_id, by)
    return render_template(
        "logbooks/committee/entrustments.html",
        tab=_tab(),
        enrolment=enrolment,
        own=enrolment.person_id == by.person_id,
        rows=queries.entrustments(enrolment, today=today),
        decisions=queries.decisions_of(enrolment),
        revokes=allows(by, Permission.ENTRUSTMENT_REVOKE, queries.TraineeScope(enrolment)),
    )


@bp.route("/entrustments/<public_id>/revoke", methods=["GET", "POST"])
@members
def revoke_entrustment(public_id: str) -> ResponseReturnValue:
    """Take an entrustment back, with a reason; it counts at once."""
    by, at, form = actor(), clock.now(), ReasonForm.of_request()
    today = clock.today(at)
    _found, enrolment = queries.entrustment(public_id, by, today=today)
    scope = queries.TraineeScope(enrolment)
    require(by, Permission.ENTRUSTMENT_REVOKE, scope, see=Permission.ENTRUSTMENT_READ)
    back = f"/trainees/{enrolment.public_id}/entrustments"

    def act() -> None:
        services.revoke(*queries.entrustment(public_id, by, today=today), words=form.words.data, at=at, by=by)

    if request.method == "POST" and form.run(act):
        flash(_("The entrustment is revoked; the trainee and the mentors are told."), "ok")
        return redirect(back, 303)
    found, enrolment = queries.entrustment(public_id, by, today=today)
    page = render_template(
        "logbooks/committee/revoke.html", tab=_tab(), form=form, found=found, enrolment=enrolment, back=back
    )
    return page, form.status


@bp.get("/trainees/<public_id>/badge")
@members
def badge(public_id: str) -> ResponseReturnValue:
    """The badge to print: whoever scans it signs in and sees what this trainee may do."""
    by = actor()
    enrolment = queries.entrusted_enrolment(public_id, by)
    known = queries.badge_of(enrolment.id)
    url = f"{site.settings().base_url}/bedside/{known.code}" if known else ""
    return render_template(
        "logbooks/committee/badge.html",
        tab=_tab(),
        enrolment=enrolment,
        badge=known,
        url=url,
        code=qr.svg(url, label=_("Code of %(name)s", name=enrolment.person.name)) if known else "",
        makes=allows(by, Permission.BADGE_MAKE, queries.TraineeScope(enrolment)),
    )


@bp.post("/trainees/<public_id>/badge")
@members
def make_badge(public_id: str) -> ResponseReturnValue:
    """Make the badge, or replace it: the code that it had is unknown from then on."""
    by, at, form = actor(), clock.now(), Form.of_request()
    replaced = request_value("replaces")
    if form.run(
        lambda: badges.make_badge(queries.entrusted_enrolment(public_id, by), replaces=replaced, at=at, by=by)
    ):
        flash(_("The badge is made. Print it; an older one leads nowhere any more."), "ok")
    else:
        for said in form.problems:
            flash(said, "warn")
    return redirect(f"/trainees/{public_id}/badge", 303)


@bp.get("/bedside")
@members
def bedside() -> ResponseReturnValue:
    """Find a trainee by name, as far as the reader may look them up."""
    by = actor()
    if not by.is_any(*queries.LOOK_UP, Role.MENTOR, Role.SECOND_ASSESSOR):
        raise NotFound
    search = request.args.get("q", "").replace("\x00", "").strip()[:80]
    return render_template(
        "logbooks/committee/bedside.html",
        tab=_tab(),
        search=search,
        rows=queries.bedside(search, by, today=clock.today(clock.now())),
        most=queries.FOUND_MAX,
        reads_samples=may_read_samples(by),
    )


@bp.get("/bedside/<code>")
@members
def at_bedside(code: str) -> ResponseReturnValue:
    """What this trainee may do today, and under which supervision; where a badge leads."""
    return _bedside_page(queries.badged_enrolment(code, actor()))


@bp.get("/trainees/<public_id>/bedside")
@members
def bedside_of(public_id: str) -> ResponseReturnValue:
    """The same, found by name."""
    return _bedside_page(queries.entrusted_enrolment(public_id, actor()))


def _bedside_page(enrolment: Enrolment) -> ResponseReturnValue:
    today = clock.today(clock.now())
    rows = queries.entrustments(enrolment, today=today)
    return render_template(
        "logbooks/committee/at_bedside.html",
        tab=_tab(),
        enrolment=enrolment,
        today=today,
        rows=[one for one in rows if one.standing == "in_force"],
        ended=[one for one in rows if one.standing in {"expired", "revoked"}],
    )
