"""Safe Exam Browser: the switch of a test, the file for candidates, and the page for whoever comes without it."""

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import api, queries, services
from lms.assessments.forms import SebForm
from lms.assessments.rules import seb as rules
from lms.assessments.views.blueprint import bp
from lms.core import clock
from lms.core.errors import NotFound
from lms.policy import Permission
from lms.web.guard import actor, members, staff

seb_staff = staff(*queries.MAKERS)


@bp.route("/tests/<public_id>/safe-exam-browser", methods=["GET", "POST"])
@seb_staff
def safe_exam_browser(public_id: str) -> ResponseReturnValue:
    """Ask for Safe Exam Browser in a test, or no longer."""
    by, at = actor(), clock.now()
    found = queries.test(public_id, by, permission=Permission.TEST_MANAGE)
    given = found.seb or {}
    form = (
        SebForm.of_request()
        if request.method == "POST"
        else SebForm(
            data={"is_needed": found.seb is not None, "exam_keys": "\n".join(given.get("exam_keys", ()))}
        )
    )
    if request.method == "POST" and form.run(
        lambda: services.set_seb(
            found,
            is_needed=form.is_needed.data,
            exam_keys=form.exam_keys.data or "",
            quit_password=form.quit_password.data or "",
            by=by,
            at=at,
        )
    ):
        return redirect(url_for("assessments.safe_exam_browser", public_id=public_id), 303)
    if form.failed:
        found = queries.test(public_id, by, permission=Permission.TEST_MANAGE)
    return render_template("assessments/seb.html", test=found, form=form, tab="tests"), form.status


@bp.get("/tests/<public_id>/exam.seb")
@members
def seb_file(public_id: str) -> ResponseReturnValue:
    """The file that starts Safe Exam Browser on this test."""
    found = queries.test(public_id, actor())
    if found.seb is None:
        raise NotFound
    response = Response(rules.seb_file(api.seb_settings(found)), mimetype="application/seb")
    response.headers.set("Content-Disposition", "attachment", filename=f"{public_id}.seb")
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/tests/<public_id>/seb/quit")
@members
def seb_quit(public_id: str) -> ResponseReturnValue:
    """Where Safe Exam Browser offers to end; in any other browser the way back to the test."""
    found = queries.test(public_id, actor())
    if found.seb is None:
        raise NotFound
    return redirect(url_for("assessments.test", public_id=public_id), 303)
