"""Pages of the monthly audit sample: the months, one month's entries, what the ward's record says."""

from flask import flash, redirect, render_template
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.i18n import _, pick
from lms.logbooks.forms.sampling import CheckForm
from lms.logbooks.queries import sampling as queries
from lms.logbooks.rules import sampling as rules
from lms.logbooks.services import sampling as services
from lms.logbooks.views.blueprint import PER_PAGE, bp
from lms.policy import Role
from lms.web import files
from lms.web.guard import actor, members
from lms.web.paging import Page, page_number


def _tab() -> str:
    return "bedside" if actor().is_any(Role.UNIT_LEAD) else "cohorts"


@bp.get("/samples")
@members
def samples() -> ResponseReturnValue:
    """The months, the latest first."""
    number = page_number()
    rows, total = queries.samples(actor(), page=number, per_page=PER_PAGE)
    return render_template(
        "logbooks/samples.html",
        tab=_tab(),
        page=Page(rows, number, total, PER_PAGE),
        outcomes=rules.OUTCOMES,
    )


@bp.get("/samples/<public_id>")
@members
def sample(public_id: str) -> ResponseReturnValue:
    """One month: its seed, its entries, and what was found."""
    return _page(public_id, CheckForm(), "")


def _page(public_id: str, form: CheckForm, line_id: str) -> ResponseReturnValue:
    by = actor()
    found = queries.sample(public_id, by)
    page = render_template(
        "logbooks/sample.html",
        tab=_tab(),
        sample=found,
        rows=queries.rows(found, by),
        outcomes=rules.OUTCOMES,
        form=form,
        failed_line=line_id if form.failed else "",
    )
    return page, form.status


@bp.post("/samples/<public_id>/<line_id>")
@members
def check_sample(public_id: str, line_id: str) -> ResponseReturnValue:
    """Say what the ward's own record says of one entry."""
    by, at, form = actor(), clock.now(), CheckForm.of_request()
    if form.run(
        lambda: services.check(
            queries.sample(public_id, by),
            line_id,
            outcome=form.outcome.data or "",
            words=form.words.data or "",
            at=at,
            by=by,
        )
    ):
        flash(_("Noted."), "ok")
        return redirect(f"/samples/{public_id}#{line_id}", 303)
    return _page(public_id, form, line_id)


@bp.get("/samples/<public_id>.csv")
@members
def sample_csv(public_id: str) -> ResponseReturnValue:
    """One month as a file."""
    by = actor()
    found = queries.sample(public_id, by)
    head = [
        _("Entry"), _("Trainee"), _("Item"), _("Date"), _("Signer"), _("Outcome"), _("In words"), _("Checked by"),
    ]  # fmt: skip
    lines = (
        [
            row.line.entry.public_id,
            row.line.entry.author.name,
            f"{row.line.entry.item.code} {pick(row.line.entry.item.title_zh, row.line.entry.item.title_en)}",
            row.line.entry.performed_on.isoformat(),
            row.line.signer.name,
            str(rules.OUTCOMES[row.latest.outcome]) if row.latest else "",
            row.latest.words if row.latest else "",
            row.latest.person.name if row.latest else "",
        ]
        for row in queries.rows(found, by)
    )
    return files.table(f"sample-{found.month:%Y-%m}.csv", head, lines)
