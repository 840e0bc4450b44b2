"""Appeals: the trainee's form, the list and the answer of those who decide."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, services
from lms.assessments.forms.appeals import AppealAnswerForm, AppealForm
from lms.assessments.models import Sitting
from lms.assessments.rules.appeals import AppealState
from lms.assessments.views.blueprint import bp
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.policy import Permission, allows
from lms.web.forms import Form
from lms.web.guard import actor, members, staff
from lms.web.paging import PER_PAGE, Page, page_number


@bp.get("/sittings/<public_id>/appeals/<int:slot>")
@members
def new_appeal(public_id: str, slot: int) -> ResponseReturnValue:
    """The question with the answer as it was marked, and the form of the appeal."""
    found = queries.sitting(public_id, actor(), permission=Permission.APPEAL_MAKE)
    return _form(found, slot, AppealForm())


def _form(found: Sitting, slot: int, form: AppealForm) -> ResponseReturnValue:
    at = clock.now()
    result, until = queries.result(found, at), queries.appeals_until(found)
    row = next((one for one in result.items if one.item.slot == slot), None) if result else None
    if row is None or until is None:
        raise NotFound
    earlier = queries.appeals_of(found.id).get(slot)
    if earlier is not None and earlier.state != AppealState.WITHDRAWN:
        return redirect(url_for(".appeal", public_id=earlier.public_id), 303)
    page = render_template(
        "assessments/new_appeal.html",
        sitting=found,
        row=row,
        slot=slot,
        form=form,
        until=until,
        is_over=at >= until,
        tab="tests",
    )
    return page, form.status


@bp.post("/sittings/<public_id>/appeals/<int:slot>")
@members
def make_appeal(public_id: str, slot: int) -> ResponseReturnValue:
    """Appeal; twice is once."""
    by, at = actor(), clock.now()
    found = queries.sitting(public_id, by, permission=Permission.APPEAL_MAKE)
    form = AppealForm.of_request()
    if not form.run(
        lambda: (
            services.appeal(
                found, slot, form.words.data, client_uuid=form.client_uuid.data, by=by, at=at
            ).public_id
        )
    ):
        return _form(queries.sitting(public_id, by, permission=Permission.APPEAL_MAKE), slot, form)
    flash(_("Your appeal is there. You are told when it is answered."), "success")
    return redirect(url_for(".appeal", public_id=form.result), 303)


@bp.get("/appeals")
@staff(*queries.READERS)
def appeals() -> ResponseReturnValue:
    """Those that wait first."""
    number, state = page_number(), request.args.get("state", "")
    rows, total = queries.appeals(actor(), state=state, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    return render_template(
        "assessments/appeals.html",
        page=Page(rows, number, total),
        state=state if state in set(AppealState) else "",
        states=list(AppealState),
        tab="tests",
    )


@bp.get("/appeals/<public_id>")
@members
def appeal(public_id: str) -> ResponseReturnValue:
    """One appeal with all that was said."""
    return _page(public_id, AppealAnswerForm())


def _page(public_id: str, form: Form) -> ResponseReturnValue:
    by = actor()
    found = queries.appeal(public_id, by)
    result = queries.result(found.sitting, clock.now(), for_staff=allows(by, Permission.APPEAL_ANSWER, found))
    page = render_template(
        "assessments/appeal.html",
        appeal=found,
        test=found.sitting.test,
        row=next((one for one in result.items if one.item.slot == found.slot), None) if result else None,
        steps=queries.appeal_steps(found.id),
        form=form,
        is_own=found.trainee_person_id == by.person_id,
        answers=found.state == AppealState.OPEN
        and found.trainee_person_id != by.person_id
        and allows(by, Permission.APPEAL_ANSWER, found),
        corrects=found.state in {AppealState.UPHELD, AppealState.PARTLY}
        and allows(by, Permission.BANK_READ, found),
        keys=found.state in {AppealState.UPHELD, AppealState.PARTLY}
        and allows(by, Permission.ITEM_WRITE, found)
        and queries.version_of(found.version.question_id).id == found.version.id,
        marks=allows(by, Permission.MARKING_MANAGE, found),
        tab="tests",
    )
    return page, form.status


@bp.post("/appeals/<public_id>/answer")
@staff(*queries.READERS)
def answer_appeal(public_id: str) -> ResponseReturnValue:
    """Right, right in part, or not."""
    by, at = actor(), clock.now()
    found = queries.appeal(public_id, by)
    form = AppealAnswerForm.of_request()
    if not form.run(lambda: services.answer_appeal(found, form.act.data, form.words.data, by=by, at=at)):
        return _page(public_id, form)
    flash(_("The trainee is told of your answer."), "success")
    return redirect(url_for(".appeal", public_id=public_id), 303)


@bp.post("/appeals/<public_id>/withdraw")
@members
def withdraw_appeal(public_id: str) -> ResponseReturnValue:
    """Take one's own appeal back."""
    by, at = actor(), clock.now()
    found = queries.appeal(public_id, by)
    with transaction():
        services.withdraw_appeal(found, by=by, at=at)
    flash(_("The appeal is taken back."), "success")
    return redirect(url_for(".appeal", public_id=public_id), 303)
