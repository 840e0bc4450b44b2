"""Regrading a test: what would change, the proposal, the second person's decision."""

import csv
import io

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, services
from lms.assessments.forms import DecideForm, RegradeForm
from lms.assessments.models import StandardStudy, Test
from lms.assessments.rules.standards import FROM_RESULTS
from lms.assessments.views.blueprint import bp
from lms.assessments.views.panels import loaded_study
from lms.core import approvals, clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.policy import Permission, Role, allows
from lms.web.guard import actor, staff
from lms.web.paging import PER_PAGE, Page, page_number

regraders = staff(Role.EXAMINER, Role.DIRECTOR, Role.COMMITTEE_CHAIR, Role.ADMINISTRATOR)


def _test(public_id: str) -> Test:
    """A published test; drafts have no marks yet."""
    found = queries.test(public_id, actor(), permission=Permission.APPROVE)
    if found.state != "published":
        raise NotFound
    return found


def _dry_run(found: Test, waiting: approvals.Approval | None, typed: int | None = None) -> queries.Regrade:
    """By the cut that was proposed, typed or asked for; else by that of the last marking."""
    asked = request.args.get("cut", "")
    cut = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else typed
    if waiting is not None:
        cut = waiting.payload["cut_percent"]
    return queries.regrade(found, cut if cut is not None and 1 <= cut <= 100 else None)


def _standard_asked(found: Test) -> dict[str, str]:
    """The method and study that the address names, where it found the pass mark."""
    method = request.args.get("standard", "")
    if method not in FROM_RESULTS:
        return {}
    study = loaded_study(found, method, request.args.get("study", ""))
    return {"standard": method, "study": study.public_id if study else ""}


def _standard(found: Test, form: RegradeForm) -> tuple[str, StandardStudy | None] | None:
    method = form.standard.data
    return (method, loaded_study(found, method, form.study.data or "")) if method else None


@bp.get("/tests/<public_id>/regrade")
@regraders
def regrade(public_id: str) -> ResponseReturnValue:
    """Every mark, pass and certificate that would change; nothing is written."""
    return _page(_test(public_id))


def _page(
    found: Test, form: RegradeForm | None = None, failed: DecideForm | None = None
) -> ResponseReturnValue:
    by = actor()
    waiting = approvals.open_for(services.REGRADE, f"test:{found.public_id}")
    diff = _dry_run(found, waiting, form.cut.data if form else None)
    digest = approvals.digest(diff.payload(found))
    held = {"standard": waiting.payload["standard"]} if waiting and "standard" in waiting.payload else {}
    shown = form or RegradeForm(data=_standard_asked(found))
    shown.cut.data = diff.cut_percent if form is None else form.cut.data
    number = page_number()
    rows = diff.changed
    page = Page(rows[(number - 1) * PER_PAGE : number * PER_PAGE], number, len(rows))
    status = form.status if form else failed.status if failed else 200
    return (
        render_template(
            "assessments/regrade.html",
            test=found,
            diff=diff,
            page=page,
            seen=digest,
            form=shown,
            failed=failed or DecideForm(),
            waiting=waiting,
            held=held.get("standard"),
            is_stale=waiting is not None
            and waiting.payload_sha256 != approvals.digest(diff.payload(found) | held),
            may_propose=waiting is None and allows(by, Permission.TEST_MANAGE, found),
            may_decide=waiting is not None and approvals.may_decide(waiting, by),
            is_proposer=waiting is not None and waiting.proposed_by_person_id == by.person_id,
            manages=allows(by, Permission.TEST_MANAGE, found),
            tab="tests",
        ),
        status,
    )


@bp.post("/tests/<public_id>/regrade")
@regraders
def propose_regrade(public_id: str) -> ResponseReturnValue:
    """Propose what was shown; another person decides."""
    by, at = actor(), clock.now()
    found = _test(public_id)
    form = RegradeForm.of_request()
    if not form.run(
        lambda: services.propose_regrade(
            found,
            cut_percent=form.cut.data,
            seen_sha256=form.seen.data or "",
            reason=form.reason.data or "",
            standard=_standard(found, form),
            by=by,
            at=at,
        )
    ):
        return _page(_test(public_id), form)
    flash(_("Another person decides on the regrade."), "success")
    return redirect(url_for("assessments.regrade", public_id=public_id), 303)


@bp.post("/tests/<public_id>/regrade/decide")
@regraders
def decide_regrade(public_id: str) -> ResponseReturnValue:
    """Approve what another person proposed (it is written at once), or refuse it with words."""
    by, at = actor(), clock.now()
    found = _test(public_id)
    form = DecideForm.of_request()
    if not form.run(
        lambda: services.decide_regrade(
            found,
            outcome=form.outcome.data,
            seen_sha256=form.seen.data or "",
            words=form.words.data or "",
            by=by,
            at=at,
        )
    ):
        return _page(_test(public_id), failed=form)
    done = form.outcome.data == approvals.APPROVED
    flash(_("The test is regraded.") if done else _("The regrade is refused."), "success")
    return redirect(url_for("assessments.regrade", public_id=public_id), 303)


@bp.post("/tests/<public_id>/regrade/withdraw")
@regraders
def withdraw_regrade(public_id: str) -> ResponseReturnValue:
    """Take one's own proposal back."""
    by, at = actor(), clock.now()
    found = _test(public_id)
    with transaction():
        services.withdraw_regrade(found, by=by, at=at)
    return redirect(url_for("assessments.regrade", public_id=public_id), 303)


@bp.get("/tests/<public_id>/regrade.csv")
@regraders
def regrade_csv(public_id: str) -> ResponseReturnValue:
    """The same changes for a spreadsheet: a line for each mark, and one (slot 0) for the sitting."""
    found = _test(public_id)
    waiting = approvals.open_for(services.REGRADE, f"test:{found.public_id}")
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["sitting", "attempt", "slot", "old", "new", "maximum", "old_decision", "new_decision"])
    for row in _dry_run(found, waiting).changed:
        whole = [row.sitting, row.attempt, 0, row.old, row.new, row.maximum]
        table.writerow([*whole, row.old_decision, row.new_decision])
        for mark in row.changed:
            table.writerow([row.sitting, row.attempt, mark.slot, mark.old, mark.new, mark.maximum, "", ""])
    # The mark at the beginning tells Excel and WPS that this is UTF-8.
    response = Response("\ufeff" + out.getvalue(), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"regrade-{found.public_id}.csv")
    return response
