"""Answers that came too late: what speaks for each, the proposal to let them count, the second person's decision."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, rules, services
from lms.assessments.forms import DecideForm, LateForm
from lms.assessments.models import Sitting
from lms.assessments.views.blueprint import bp
from lms.core import approvals, clock
from lms.core.db import transaction
from lms.core.i18n import _
from lms.policy import Permission, Role, allows
from lms.web.guard import actor, staff

adjudicators = staff(Role.EXAMINER, Role.INVIGILATOR, Role.DIRECTOR)


def _sitting(public_id: str) -> Sitting:
    return queries.sitting(public_id, actor(), permission=Permission.SITTING_ADJUDICATE)


@bp.get("/sittings/<public_id>/late")
@adjudicators
def late(public_id: str) -> ResponseReturnValue:
    """The answers of one sitting that were kept and not counted."""
    return _page(_sitting(public_id))


def _page(
    found: Sitting, form: LateForm | None = None, failed: DecideForm | None = None
) -> ResponseReturnValue:
    by = actor()
    waiting = approvals.open_for(services.ACCEPT_LATE, queries.late_subject(found))
    answers = queries.late_answers(found, clock.now())
    proposed = {fact["event"] for fact in waiting.payload["answers"]} if waiting else set()
    page = render_template(
        "assessments/late.html",
        sitting=found,
        test=found.test,
        answers=[one for one in answers if not waiting or one.event_id in proposed],
        is_over=found.state != rules.SittingState.IN_PROGRESS,
        waiting=waiting,
        may_decide=waiting is not None and approvals.may_decide(waiting, by),
        is_proposer=waiting is not None and waiting.proposed_by_person_id == by.person_id,
        supervises=allows(by, Permission.SITTING_SUPERVISE, found),
        form=form or LateForm(),
        failed=failed or DecideForm(),
        tab="tests",
    )
    return page, form.status if form else failed.status if failed else 200


@bp.post("/sittings/<public_id>/late")
@adjudicators
def propose_late(public_id: str) -> ResponseReturnValue:
    """Propose that the ticked answers count."""
    by, at = actor(), clock.now()
    found = _sitting(public_id)
    form = LateForm.of_request()
    ticked = {int(one) for one in request.form.getlist("answers") if one.isascii() and one.isdigit()}
    form.ticked = ticked
    if not form.run(
        lambda: services.propose_late(found, ticked, reason=form.reason.data or "", by=by, at=at)
    ):
        return _page(_sitting(public_id), form)
    flash(_("Another person decides whether they count."), "success")
    return redirect(url_for(".late", public_id=public_id), 303)


@bp.post("/sittings/<public_id>/late/decide")
@adjudicators
def decide_late(public_id: str) -> ResponseReturnValue:
    """Let count what another person proposed, or refuse it with words."""
    by, at = actor(), clock.now()
    found = _sitting(public_id)
    form = DecideForm.of_request()
    if not form.run(
        lambda: services.decide_late(
            found,
            outcome=form.outcome.data,
            seen_sha256=form.seen.data or "",
            words=form.words.data or "",
            by=by,
            at=at,
        )
    ):
        return _page(_sitting(public_id), failed=form)
    done = form.outcome.data == approvals.APPROVED
    flash(_("The answers count; the sitting is marked anew.") if done else _("They do not count."), "success")
    return redirect(url_for(".late", public_id=public_id), 303)


@bp.post("/sittings/<public_id>/late/withdraw")
@adjudicators
def withdraw_late(public_id: str) -> ResponseReturnValue:
    """Take one's own proposal back."""
    by, at = actor(), clock.now()
    found = _sitting(public_id)
    with transaction():
        services.withdraw_late(found, by=by, at=at)
    return redirect(url_for(".late", public_id=public_id), 303)
