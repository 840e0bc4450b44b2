"""Pages of the item bank: banks, their questions."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, rules, services
from lms.assessments.forms import BankForm
from lms.assessments.views.blueprint import bp
from lms.core import clock
from lms.core.errors import NotFound
from lms.policy import Permission, allows
from lms.web.guard import actor, staff
from lms.web.paging import PER_PAGE, Page, page_number

bank_staff = staff(*queries.BANK_STAFF)


@bp.route("/bank", methods=["GET", "POST"])
@bank_staff
def banks() -> ResponseReturnValue:
    """The banks one may read; whoever manages them opens a new one here."""
    by, at = actor(), clock.now()
    programmes = queries.bank_programmes(by)
    form = BankForm.of_request()
    form.offer(programmes)
    if request.method == "POST":
        chosen = {programme.public_id: programme for programme in programmes}

        def act() -> object:
            if form.programme.data not in chosen:
                raise NotFound
            return services.create_bank(
                chosen[form.programme.data],
                purpose=form.purpose.data,
                title_zh=form.title_zh.data or "",
                title_en=form.title_en.data or "",
                at=at,
                by=by,
            )

        if form.run(act):
            return redirect(url_for("assessments.bank", public_id=form.result.public_id), 303)
    page = render_template(
        "assessments/banks.html", banks=queries.banks(by), form=form, may_open=bool(programmes), tab="bank"
    )
    return page, form.status


@bp.get("/bank/<public_id>")
@bank_staff
def bank(public_id: str) -> ResponseReturnValue:
    """The questions of a bank: search, narrow, sort."""
    by = actor()
    today = clock.today(clock.now())
    found = queries.bank(public_id, by)
    wanted = _wanted()
    number = page_number()
    rows, total = queries.questions(found, wanted, today, page=number)
    return render_template(
        "assessments/bank.html",
        bank=found,
        page=Page(rows, number, total, PER_PAGE),
        wanted=wanted,
        is_narrowed=wanted != queries.Wanted(sort=wanted.sort),
        topics=queries.topics(found.id),
        kinds=rules.TYPES,
        states=list(rules.ItemState),
        may_write=allows(by, Permission.ITEM_WRITE, found),
        tab="bank",
    )


def _wanted() -> queries.Wanted:
    """What the address narrows the list to."""
    given = request.args
    return queries.Wanted(
        text=given.get("q", "")[:100],
        state=given.get("state", "") if given.get("state", "") in set(rules.ItemState) else "",
        kind=given.get("type", "") if given.get("type", "") in rules.TYPES else "",
        topic=given.get("topic", "")[:120],
        tag=given.get("tag", "")[:60],
        is_past_due=given.get("due") == "past",
        sort=given.get("sort", "code") if given.get("sort") in {"code", "changed", "topic"} else "code",
    )
